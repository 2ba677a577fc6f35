"""Parts of the sample scene, each a picture in linear light made of formulas.

Every function returns linear sRGB, float32 [height, width, 3], black 0 and diffuse white about 1; lights exceed 1. The
caller asks for several samples per pixel and averages them: edges are hard here.
"""

from __future__ import annotations

import numpy as np

from isp.sample.lettering import lettering

PAPER = np.array([0.78, 0.76, 0.71], np.float32)
INK = np.array([0.025, 0.026, 0.03], np.float32)

PRINT = (
    "PHOTONS ARRIVE",
    "ONE BY ONE AND NOBODY",
    "CAN TELL WHEN THE NEXT WILL",
    "COME: THAT IS SHOT NOISE. IT GROWS",
    "AS THE SQUARE ROOT OF THE LIGHT. THE READ-OUT",
    "ADDS ITS OWN SHARE THAT DOES NOT DEPEND ON THE LIGHT.",
)
SHADES = (("IN THE DARK", 3.0), ("TWICE THE LIGHT", 2.0), ("A HALF MORE", 1.5), ("A QUARTER MORE", 1.25))
"""Lettering of the dark panel, and how much brighter than its ground it is."""


def siemens_star(height: int, width: int, *, spokes: int = 60) -> np.ndarray:
    """Spokes that narrow towards the centre past what the sensor resolves (after ISO 12233)."""
    y, x = _centred(height, width)
    radius = np.hypot(x, y)
    dark = (np.sin(np.arctan2(y, x) * spokes) > 0) & (radius < 0.94)
    dark |= (radius > 0.97) & (radius < 0.985)
    # The quarter turns are marked outside the disc; two of them in a saturated colour.
    star = np.where(dark[..., None], INK, PAPER)
    corner = (np.abs(x) > 0.82) & (np.abs(y) > 0.82)
    star[corner & (x * y > 0)] = (0.55, 0.03, 0.025)
    star[corner & (x * y <= 0)] = (0.02, 0.07, 0.42)
    return star


def still_life(height: int, width: int) -> np.ndarray:
    """A glossy ball before a wall, with a highlight and a lamp that are brighter than the sensor can hold."""
    y, x = _centred(height, width)
    table = y > 0.42
    wall = 0.20 + 0.10 * np.exp(-((x + 0.3) ** 2 + (y + 0.5) ** 2) / 0.8)
    picture = wall[..., None] * np.array([0.62, 0.80, 0.95], np.float32)
    grain = 1 + 0.06 * np.sin(60 * y + 3 * np.sin(4 * x + 9 * y)) + 0.04 * np.sin(170 * y + 2 * np.sin(7 * x))
    wood = np.array([0.30, 0.155, 0.07], np.float32) * grain[..., None]
    picture[table] = wood[table]

    shadow = np.exp(-(((x - 0.22) / 0.62) ** 2 + ((y - 0.74) / 0.13) ** 2) * 1.6)
    picture *= 1 - 0.75 * (shadow * table)[..., None]
    _draw_ball(picture, x, y, centre=(-0.05, 0.22), radius=0.52, colour=(0.62, 0.045, 0.02))
    _draw_ball(picture, x, y, centre=(0.64, 0.55), radius=0.2, colour=(0.05, 0.30, 0.08))

    lamp = np.hypot(x - 0.68, y + 0.68)
    picture += (0.5 * np.exp(-((lamp / 0.30) ** 2)))[..., None] * np.array([1.0, 0.75, 0.45], np.float32)
    picture[lamp < 0.13] = (9.0, 7.2, 4.8)
    return picture


def printed_page(height: int, width: int) -> np.ndarray:
    """Black print on paper, smaller line by line, and line pairs."""
    page = np.tile(PAPER, (height, width, 1))
    y = round(height * 0.05)
    for line in PRINT:
        # A letter takes as much width as its height: so the line fills the measure.
        cap_height = width * 0.92 / len(line)
        y += _print(page, line, cap_height, y, round(width * 0.04), INK) + round(height * 0.004)
    strip = page[y + round(height * 0.02) : round(height * 0.95), round(width * 0.04) : round(width * 0.96)]
    strip[_line_pairs(*strip.shape[:2])] = INK
    return page


def woven_cloth(height: int, width: int, *, threads: int = 64) -> np.ndarray:
    """Plain weave of blue warp and cream weft, each thread round and shaded."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) * np.float32(threads / height)
    over = (np.floor(x) + np.floor(y)) % 2 > 0
    round_x, round_y = np.sin(np.pi * (x % 1)), np.sin(np.pi * (y % 1))
    shade = np.where(over, round_x * (0.55 + 0.45 * round_y), round_y * (0.55 + 0.45 * round_x))
    warp, weft = np.array([[0.05, 0.11, 0.34], [0.62, 0.55, 0.40]], np.float32)
    cloth: np.ndarray = np.where(over[..., None], warp, weft) * (0.15 + 0.85 * shade[..., None])
    return cloth


def grass(height: int, width: int, *, blades: int = 1400) -> np.ndarray:
    """Curved blades over one another, the nearer the brighter."""
    random = np.random.default_rng(3)
    meadow = np.tile(np.array([0.012, 0.022, 0.006], np.float32), (height, width, 1))
    for near in np.linspace(0, 1, blades):
        root_x, root_y = random.uniform(-0.1, 1.1) * width, (0.25 + 1.05 * near) * height
        length, bend = random.uniform(0.2, 0.42) * height, random.normal(0, 0.13) * width
        light = (0.25 + 0.75 * near) * random.uniform(0.6, 1.2)
        rows = np.arange(max(0, int(root_y - length)), min(height, int(root_y)))
        rise = (root_y - rows) / length
        middle = root_x + bend * rise**2
        half = 0.009 * width * (1 - rise)
        for row, left, right, up in zip(rows, middle - half, middle + half, rise, strict=True):
            tint = np.array([0.10 + 0.10 * up, 0.24 + 0.06 * up, 0.035], np.float32)
            meadow[row, max(0, round(left)) : max(0, round(right))] = tint * light * (0.35 + 0.65 * up)
    return meadow


def stone(height: int, width: int) -> np.ndarray:
    """Fractal grain of many scales, of low contrast: what a denoiser mistakes for noise."""
    random = np.random.default_rng(5)
    relief = np.zeros((height, width), np.float32)
    for octave in range(2, 9):
        cells = 2**octave
        relief += _smooth_noise(height, width, cells, random) * np.float32(0.87**octave)
    relief -= relief.mean()
    relief /= relief.std()
    tone = 0.26 * np.exp(0.30 * relief)
    warmth = 0.04 * _smooth_noise(height, width, 6, random)
    return np.stack([tone * (1.06 + warmth), tone, tone * (0.90 - warmth)], axis=-1).astype(np.float32)


def dark_corner(height: int, width: int) -> np.ndarray:
    """Two to five hundredths of white, with letters, discs and lines of falling contrast."""
    y, x = _centred(height, width)
    base = 0.018 + 0.030 * ((x + 1) / 2) ** 2
    corner = base[..., None] * np.array([0.95, 1.0, 1.12], np.float32)
    margin = round(width * 0.04)
    at = round(height * 0.04)
    cap_height = width * 0.92 / max(len(text) for text, _ in SHADES)
    for text, contrast in SHADES:
        at += _print(corner, text, cap_height, at, margin, np.float32(contrast), blend=np.multiply)
    for index, contrast in enumerate(contrast for _, contrast in SHADES):
        disc = np.hypot(x + 0.75 - 0.5 * index, (y - 0.38) * height / width) < 0.17
        corner[disc] *= np.float32(contrast) * np.array([1.3, 0.9, 0.6] if index % 2 else [0.6, 0.95, 1.4], np.float32)
    strip = corner[round(height * 0.84) : round(height * 0.95), margin : width - margin]
    strip[_line_pairs(*strip.shape[:2])] *= np.float32(2.5)
    return corner


def ramps(height: int, width: int) -> np.ndarray:
    """Smooth gradients: black to beyond white above, all hues below."""
    x = np.linspace(0, 1, width, dtype=np.float32)
    grey = np.tile((1.3 * x**2)[:, None], (1, 3))
    hue = np.stack([0.5 + 0.5 * np.cos(2 * np.pi * (x - turn)) for turn in (0, 1 / 3, 2 / 3)], axis=-1)
    saturated = 0.03 + 0.55 * hue**1.5
    across = np.linspace(0, 1, height - height // 2, dtype=np.float32)[:, None, None]
    lower = saturated * (1 - across) + 0.30 * across
    return np.concatenate([np.tile(grey, (height // 2, 1, 1)), lower]).astype(np.float32)


def _centred(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (y, x) that are 0 in the middle and +-1 at the edges."""
    y = (np.arange(height, dtype=np.float32) + 0.5) / np.float32(height / 2) - 1
    x = (np.arange(width, dtype=np.float32) + 0.5) / np.float32(width / 2) - 1
    return np.broadcast_to(y[:, None], (height, width)), np.broadcast_to(x[None, :], (height, width))


def _draw_ball(
    picture: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    centre: tuple[float, float],
    radius: float,
    colour: tuple[float, float, float],
) -> None:
    """A sphere with Phong's reflection model: ambient, diffuse and a narrow specular light."""
    normal_x, normal_y = (x - centre[0]) / radius, (y - centre[1]) / radius
    squared = normal_x**2 + normal_y**2
    inside = squared < 1
    normal_x, normal_y = normal_x[inside], normal_y[inside]
    normal_z = np.sqrt(1 - squared[inside])
    light = np.array([-0.52, -0.62, 0.588])
    facing = normal_x * light[0] + normal_y * light[1] + normal_z * light[2]
    mirrored = np.maximum(2 * facing * normal_z - light[2], 0)
    shade = 0.10 + 0.90 * np.maximum(facing, 0)
    picture[inside] = shade[:, None] * np.array(colour, np.float32) + (7.0 * mirrored**90 + 0.12 * mirrored**8)[:, None]


def _print(
    page: np.ndarray,
    text: str,
    cap_height: float,
    top: int,
    left: int,
    ink: np.ndarray | np.float32,
    *,
    blend: np.ufunc | None = None,
) -> int:
    """Puts one line of text on the page, in the colour `ink` or blended with what is there; returns its height."""
    mask = lettering(text, cap_height)
    height, width = int(mask.shape[0]), int(mask.shape[1])
    there = page[top : top + height, left : left + width]
    mask = mask[: there.shape[0], : there.shape[1]]
    there[mask] = ink if blend is None else blend(there[mask], ink)
    return height


def _line_pairs(height: int, width: int) -> np.ndarray:
    """Mask of vertical bars, in eight groups from wide to narrow: the narrowest's pair is 4 pixels of the sample."""
    x = np.arange(width, dtype=np.float32) / np.float32(width)
    group = np.floor(x * 8)
    pairs = np.array([2, 3, 4, 5, 6, 7, 8, 10], np.float32)[np.minimum(group, 7).astype(int)]
    within = (x * 8 - group) / np.float32(0.9)
    bars = ((within * pairs) % 1 < 0.5) & (within < 1)
    return np.broadcast_to(bars[None, :], (height, width))


def _smooth_noise(height: int, width: int, cells: int, random: np.random.Generator) -> np.ndarray:
    """Random values on a grid of `cells` rows, smoothly interpolated: float32 [height, width]."""
    columns = -(-cells * width // height)
    grid = random.standard_normal((cells + 2, columns + 2)).astype(np.float32)
    y = np.arange(height, dtype=np.float32)[:, None] * np.float32(cells / height)
    x = np.arange(width, dtype=np.float32)[None, :] * np.float32(cells / height)
    row, column = y.astype(int), x.astype(int)
    dy, dx = y - row, x - column
    dy, dx = dy * dy * (3 - 2 * dy), dx * dx * (3 - 2 * dx)
    upper = grid[row, column] * (1 - dx) + grid[row, column + 1] * dx
    lower = grid[row + 1, column] * (1 - dx) + grid[row + 1, column + 1] * dx
    noise: np.ndarray = upper * (1 - dy) + lower * dy
    return noise

"""The four Bayer phases."""

from __future__ import annotations

from enum import StrEnum


class Cfa(StrEnum):
    """Colours of the mosaic's first 2x2 block, row by row."""

    RGGB = "RGGB"
    BGGR = "BGGR"
    GRBG = "GRBG"
    GBRG = "GBRG"

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Index into (R, G, B) of each position, row-major."""
        a, b, c, d = ("RGB".index(colour) for colour in self.value)
        return a, b, c, d

    def shifted(self, rows: int, columns: int) -> Cfa:
        """The phase seen by a mosaic that starts `rows` and `columns` further on."""
        at = self.value
        return Cfa("".join(at[(y + rows) % 2 * 2 + (x + columns) % 2] for y in (0, 1) for x in (0, 1)))

    def position(self, colour: str) -> tuple[int, int]:
        """(row, column) of the first red or blue pixel; for green, of the green in red's row for
        "Gr" and in blue's row for "Gb"."""
        red, blue = divmod(self.value.index("R"), 2), divmod(self.value.index("B"), 2)
        match colour:
            case "R":
                return red
            case "B":
                return blue
            case "Gr":
                return red[0], 1 - red[1]
            case "Gb":
                return blue[0], 1 - blue[1]
            case _:
                raise ValueError(f"colour {colour!r}: expected R, Gr, Gb or B")

"""`python -m denoiser calibrate`: a camera's noise from captures made for it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from isp.cfa import Cfa
from isp.errors import ConfigError

if TYPE_CHECKING:
    from denoiser.calibration.camera_noise import CameraNoise
    from denoiser.calibration.captures import Layout, Stack
    from isp.noise.calibration import CalibrationEntry

MONO = "mono"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "calibrate",
        help="measure a camera's noise from flat and dark frames, or from a static burst",
        description="Fits variance = shot * signal + read. Either flat and dark frames: evenly lit frames at about ten "
        "exposures from nearly dark to nearly full and frames with the lens covered, two or more of each exposure, in "
        "order (photon transfer, EMVA 1288). Or a burst of frames of a static scene. All of one camera at one ISO.",
    )
    parser.add_argument("--flats", type=Path, nargs="+", metavar="FILE", help="evenly lit frames, in order of exposure")
    parser.add_argument(
        "--darks", type=Path, nargs="+", metavar="FILE", help="frames without light, in order of exposure"
    )
    parser.add_argument("--burst", type=Path, nargs="+", metavar="FILE", help="frames of one scene, or .npz bursts")
    parser.add_argument(
        "--per-exposure", type=int, default=2, metavar="N", help="flats or darks of each exposure (default 2)"
    )
    parser.add_argument(
        "--cfa", choices=[MONO, *Cfa], default=MONO, help="colours of .npz and bare .png files (default mono)"
    )
    parser.add_argument("--black", type=float, metavar="DN", help="black of such files (default: the darks' mean)")
    parser.add_argument("--white", type=float, metavar="DN", help="white of such files")
    parser.add_argument("--make", help="the camera's make (default: the files')")
    parser.add_argument("--model", help="the camera's model (default: the files')")
    parser.add_argument("--iso", type=float, help="the ISO of the captures (default: the files')")
    parser.add_argument(
        "--colours",
        choices=("each", "pooled"),
        default="each",
        help="a line for each colour, or one for all (default each)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="calibration file; one of this camera gains an entry"
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="picture of the fit and its residual")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    noise, camera = _measure(arguments)
    make, model = arguments.make or camera.make, arguments.model or camera.model
    iso = arguments.iso or camera.iso
    entry = _entry(noise, iso, arguments.colours)
    if arguments.output:
        _add_to_file(arguments.output, entry, make, model)
    if arguments.plot:
        from denoiser.calibration.plot import draw_fit, save_plot

        name = " ".join(part for part in (make, model, f"ISO {iso:g}" if iso else "") if part) or "camera"
        save_plot(draw_fit(noise.lines, noise.span_dn, f"{name}: {noise.method.split(',')[0]}"), arguments.plot)
    if arguments.json:
        sys.stdout.write(json.dumps(_facts(noise, make, model, iso)) + "\n")
    else:
        sys.stdout.write(_table(noise))
    return 0


def _measure(arguments: argparse.Namespace) -> tuple[CameraNoise, Stack]:
    from denoiser.calibration.camera_noise import from_flats_and_darks, from_static_bursts
    from denoiser.calibration.captures import Layout, load_stack, mean_dn

    if bool(arguments.flats) == bool(arguments.burst) or (arguments.flats and not arguments.darks):
        raise ConfigError(
            "the captures don't make a calibration",
            expected="--flats with --darks, or --burst (with --darks if you have them)",
        )
    black = arguments.black
    if black is None and arguments.darks:
        black = mean_dn(arguments.darks)
    layout = Layout(None if arguments.cfa == MONO else Cfa(arguments.cfa), black, arguments.white)
    darks = _exposures(arguments.darks or [], arguments.per_exposure, layout)
    if arguments.flats:
        flats = _exposures(arguments.flats, arguments.per_exposure, layout)
        return from_flats_and_darks(flats, darks), flats[0]
    if all(path.suffix.lower() == ".npz" for path in arguments.burst):
        bursts = [load_stack([path], layout) for path in arguments.burst]
    else:
        bursts = [load_stack(arguments.burst, layout)]
    return from_static_bursts(bursts, darks), bursts[0]


def _exposures(paths: list[Path], per_exposure: int, layout: Layout) -> list[Stack]:
    """One stack for each exposure: an `.npz` is one by itself, other files go by `per_exposure`."""
    from denoiser.calibration.captures import load_stack

    if all(path.suffix.lower() == ".npz" for path in paths):
        return [load_stack([path], layout) for path in paths]
    if per_exposure < 2 or len(paths) % per_exposure:
        raise ConfigError(
            f"{len(paths)} frames with --per-exposure {per_exposure}",
            expected="two or more of each exposure, the same number of each",
        )
    return [load_stack(paths[i : i + per_exposure], layout) for i in range(0, len(paths), per_exposure)]


def _entry(noise: CameraNoise, iso: float | None, colours: str) -> CalibrationEntry:
    from isp.noise.calibration import CalibrationEntry

    one_for_all = colours == "pooled" or "G" not in noise.lines
    lines = [noise.pooled] * 3 if one_for_all else [noise.lines[c] for c in "RGB"]
    shots, reads = [float(f"{line.shot:.4g}") for line in lines], [float(f"{line.read:.4g}") for line in lines]
    return CalibrationEntry(
        iso=iso,
        shot=(shots[0], shots[1], shots[2]),
        read=(reads[0], reads[1], reads[2]),
        provenance=f"{noise.method}; residual {noise.pooled.residual_rms:.1%}",
    )


def _add_to_file(path: Path, entry: CalibrationEntry, make: str, model: str) -> None:
    from isp.noise.calibration import Calibration, load_calibration, save_calibration

    if not model:
        raise ConfigError("the captures don't name their camera", expected="--model, to write a calibration file")
    calibration = Calibration(make=make, model=model, entries=(entry,))
    if path.exists():
        before = load_calibration(path)
        if (before.make, before.model) != (make, model):
            raise ConfigError(
                f"{path} is the calibration of {before.make} {before.model}",
                expected=f"one of {make} {model}, or a new file",
            )
        calibration = before.with_entry(entry)
    save_calibration(calibration, path)


def _facts(noise: CameraNoise, make: str, model: str, iso: float | None) -> dict[str, object]:
    lines = {**noise.lines, "pooled": noise.pooled}
    return {
        "make": make,
        "model": model,
        "iso": iso,
        "method": noise.method,
        "span_dn": noise.span_dn,
        "lines": {
            name: {
                "shot": line.shot,
                "shot_error": line.shot_error,
                "read": line.read,
                "read_error": line.read_error,
                "slope_dn": line.shot * noise.span_dn,
                "read_variance_dn2": line.read * noise.span_dn**2,
                "residual_rms": line.residual_rms,
                "points": int(line.points.used.sum()),
            }
            for name, line in lines.items()
        },
        "row_sigma_dn": noise.row_sigma_dn,
        "dark_pattern_sigma_dn": noise.dark_pattern_sigma_dn,
        "response_pattern": noise.response_pattern,
    }


def _table(noise: CameraNoise) -> str:
    span = noise.span_dn
    heads = ("colour", "shot", "+-", "read", "+-", "slope DN", "read DN^2", "residual", "points")
    widths = (7, 9, 7, 9, 7, 8, 9, 8, 6)
    rows = [heads]
    for name, line in (noise.lines if len(noise.lines) == 1 else {**noise.lines, "pooled": noise.pooled}).items():
        shot, read = (f"{line.shot:.3e}", f"{line.shot_error:.1e}"), (f"{line.read:.3e}", f"{line.read_error:.1e}")
        in_dn = (f"{line.shot * span:.4f}", f"{line.read * span**2:.4f}")
        rows.append((name, *shot, *read, *in_dn, f"{line.residual_rms:.1%}", str(line.points.used.sum())))
    text = [noise.method, ""]
    text += ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    text += ["", f"row noise              {noise.row_sigma_dn:.3f} DN"]
    if noise.dark_pattern_sigma_dn is not None:
        text.append(f"dark fixed pattern     {noise.dark_pattern_sigma_dn:.3f} DN (DSNU)")
    if noise.response_pattern is not None:
        text.append(f"response fixed pattern {noise.response_pattern:.2%} of the signal (PRNU)")
    return "\n".join(text) + "\n"

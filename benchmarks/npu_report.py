"""One page of what the NPU benchmarks found: cycles, memory, frame time and quality over targets and precisions.

    python -m benchmarks.npu_report --results FILE ... -o npu.html

The files are those that `npu_bundles`, `npu_cycles` and `npu_quality` write with `--json`; beside the page, `npu.json`
has them all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from benchmarks import command
from isp.atomic import replacing
from isp.errors import InputError
from isp.report.results_page import page, section, shot_text

Results = dict[str, Any]
SOURCES = "npu_bundles, npu_cycles or npu_quality"


def report(results: Results) -> str:
    """The page, HTML. Sections whose results are not there are left out."""
    sections, numbers = [], []
    if bundles := results.get("bundles"):
        sections.append(section("Bundles, 16-bit activations", _bundles(bundles)))
        sections.append(section("Integers: the simulated command stream against TOSA", _exactness(bundles)))
        fastest = min(bundles, key=lambda one: float(one["frame_s"]))
        note = f"{fastest['model']} on {fastest['target']}, Vela's estimate"
        numbers.append(("12 MP frame", f"{fastest['frame_s']:.2f} s", note))
        values, differing = (sum(one[name] for one in bundles) for name in ("values", "differing"))
        numbers.append(("integers that differ", f"{differing:,}", f"of {values:,} that the simulator computed"))
    if estimates := results.get("estimates"):
        title = f"{results['compared_model']}, the same tile of {results['tile_px']} px, beside ExecuTorch"
        sections.append(section(title, _estimates(estimates, results)))
        least = min((one for one in results["gains"] if one["precision"] == "a16w8"), key=lambda one: one["fewer"])
        numbers.append(("fewer cycles", f"{least['fewer']:.0%}", f"than ExecuTorch, at least ({least['target']})"))
    if rows := results.get("rows"):
        sections.append(section("Quality on noisy photographs", _quality(rows, results)))
    if not sections:
        raise InputError("no results in these files", expected=f"those of {SOURCES}")
    source = "Cycles and memory are Vela's estimates; nothing was timed on silicon."
    return page("The denoiser on Arm Ethos-U", source, numbers, sections)


def _bundles(bundles: list[Results]) -> str:
    rows = [
        {
            "model": one["model"],
            "target": one["target"],
            "tile px": str(one["tile_px"]),
            "Mcycles/MP": f"{one['cycles_per_megapixel'] / 1e6:.1f}",
            "other layout": f"{one['other_layout_cycles'] / one['cycles'] - 1:+.1%}",
            "12 MP, s": f"{one['frame_s']:.2f}",
            "SRAM KiB": _kib(one["sram_bytes"]),
            "DRAM KiB": _kib(one["dram_bytes"]),
            "constants KiB": _kib(one["weights_bytes"]),
            "on the NPU": f"{one['npu_operators']} of {one['operators']}",
        }
        for one in bundles
    ]
    return _card(rows)


def _exactness(bundles: list[Results]) -> str:
    rows = [
        {
            "model": one["model"],
            "target": one["target"],
            "golden tiles": str(one["tiles"]),
            "integers compared": f"{one['values']:,}" if one["values"] else "no simulator",
            "that differ": f"{one['differing']:,}" if one["values"] else "-",
            "loss, dB": f"{one['loss_db']:+.4f}",
            "in the dark, dB": f"{one['dark_loss_db']:+.4f}",
            "verdict": f"{one['failing']} FAIL" if one["failing"] else "passes",
        }
        for one in bundles
    ]
    return _card(rows)


def _estimates(estimates: list[Results], results: Results) -> str:
    kept_px = (results["tile_px"] - 2 * results["halo_px"]) ** 2
    rows = [
        {
            "target": one["target"],
            "precision": one["precision"],
            "graph by": one["by"],
            "Vela": one["vela"],
            "Mcycles/MP": f"{one['cycles'] / kept_px:.1f}",
            "SRAM KiB": _kib(one["sram_bytes"]) + ("" if one["fits"] else ", too much"),
            "DRAM KiB": _kib(one["dram_bytes"]),
            "on the NPU": f"{one['npu_operators']} of {one['operators']}",
        }
        for one in estimates
    ]
    gains = [
        {"target": one["target"], "precision": one["precision"], "fewer cycles": f"{one['fewer']:.0%}"}
        for one in results["gains"]
    ]
    return _card(gains) + _card(rows)


def _quality(rows: list[Results], results: Results) -> str:
    titles = {
        "raw_psnr_db": "raw PSNR, dB",
        "dark_quarter_psnr_db": "darkest quarter, dB",
        "rendered_psnr_db": "rendered PSNR, dB",
        "dark_bias": "dark bias, 1e-4",
    }
    chosen = [
        {"network": row["model"]}
        | {shot_text(shot): network for shot, network in zip(results["shots"], row["networks"], strict=True)}
        for row in rows
        if row["how"] == "float"
    ]
    tables = [_card(chosen)]
    for name, title in titles.items():
        lines = [
            {title: f"{row['model']}, {row['how']}"} | _by_shot(results, (level[name] for level in row["levels"]))
            for row in rows
        ]
        if name == "dark_bias":
            lines.append({title: "limit, a tenth of the noise"} | _by_shot(results, results["dark_bias_limits"]))
        tables.append(_card(lines))
    return "".join(tables)


def _by_shot(results: Results, values: Iterable[float]) -> dict[str, str]:
    return {shot_text(shot): f"{value:.2f}" for shot, value in zip(results["shots"], values, strict=True)}


def _card(rows: list[dict[str, str]]) -> str:
    """A table whose first column names the rows."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = ""
    for row in rows:
        first, *others = map(escape, row.values())
        body += f"<tr><th scope=row>{first}</th>{''.join(f'<td>{each}</td>' for each in others)}</tr>"
    table = f'<table class="scores"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    return f'<section class="card wide">{table}</section>'


def _kib(size_bytes: float) -> str:
    return f"{size_bytes / 1024:.0f}"


def read(paths: list[Path]) -> Results:
    """Everything in some files of results. Raises InputError for one that cannot be read."""
    results: Results = {}
    for path in paths:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: {error}", expected="the JSON of npu_bundles, npu_cycles or npu_quality"
            ) from error
        if differing := [name for name in results.keys() & found.keys() if results[name] != found[name]]:
            raise InputError(f"{path}: another {sorted(differing)[0]} than in the files before it")
        results |= found
    return results


def run(arguments: argparse.Namespace) -> None:
    results = read(arguments.results)
    contents = {arguments.output: report(results)}
    contents[arguments.output.with_suffix(".json")] = json.dumps(results, indent=2) + "\n"
    for path, text in contents.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def main() -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--results", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

"""A validation as one HTML page that needs nothing else: no network, no script, no files beside it."""

from __future__ import annotations

from html import escape

from isp.report.results_page import facts_table, page, section
from targets.npu_check import BORDER_STEPS
from targets.tile_pictures import ABOUT_PICTURES, ARENA_AND_TIME, failures_section, results_table, tile_pictures
from targets.validation import Validation
from targets.verdict import TileResult

_ABOUT = (
    "Errors are against the float reference, relative to full scale; of values beyond it, to the value itself. Noisy, "
    "float and target are raw PSNR of the input, the reference and the board's output against the clean tile; the "
    "loss is what the board's lies below the reference's. Time is by the board's clock, without the link."
)

_ABOUT_NPU = (
    " Integers: the NPU's answer against the bundle's, every one of which must be equal. Border: how far the board's "
    "mosaic lies from what they stand for, in steps of the network's input (at most "
    f"{BORDER_STEPS:g}): the core's rounding may differ."
)


def validation_page(validation: Validation) -> str:
    """The page's HTML."""
    results, worst, limits = validation.results, validation.worst, validation.threshold
    failed, speed = len(validation.failures), validation.megapixels_per_s
    numbers = [("verdict", f"{failed} of {len(results)} fail" if failed else "passes", f"{len(results)} golden tiles")]
    if worst is not None:
        numbers += [
            (
                "max error",
                f"{worst.max_error:.2g}",
                f"at most {limits.max_error:g} of full scale" if limits else "of full scale",
            ),
            ("PSNR against float", f"{worst.psnr_db:.1f} dB", "of the worst tile"),
            (
                "quality loss",
                f"{worst.quality_loss_db:+.4f} dB",
                f"at most {limits.quality_loss_db:g} dB" if limits else "told, not judged",
            ),
        ]
    memory = f"of {validation.board.memory_bytes / 1024:,.0f} KiB for input, output and arena"
    numbers += [
        ("speed", f"{speed:.3g} MP/s" if speed else "unknown", "by the board's clock, halos included"),
        ("peak arena", f"{validation.peak_arena_bytes / 1024:,.0f} KiB", memory),
    ]
    columns = (*ARENA_AND_TIME, *validation.npu_columns)
    about = _ABOUT + (_ABOUT_NPU if validation.npu_columns else "")
    sections = [
        section("Tiles", f'<p>{about}</p><div class="card wide">{results_table(results, columns)}</div>'),
        *failures_section(results),
        *_warnings(validation),
        section("Board", facts_table(_board_facts(validation))),
        section("Link", facts_table(_link_facts(validation))),
        section("Pictures", f"<p>{ABOUT_PICTURES}</p>" + tile_pictures(_worst_first(results), "board")),
        *_console(validation),
    ]
    title = f"Validation of {validation.board.board}"
    return page(title, f"{validation.bundle.folder} against the float model in float64", numbers, sections)


def _worst_first(results: tuple[TileResult, ...]) -> list[TileResult]:
    """Specialists in their order, of each the tile with the greatest error before the others."""
    names = list(dict.fromkeys(result.specialist for result in results))

    def error(result: TileResult) -> float:
        return result.measures.max_error if result.measures else float("inf")

    return sorted(results, key=lambda result: (names.index(result.specialist), -error(result)))


def _board_facts(validation: Validation) -> dict[str, str]:
    board, manifest = validation.board, validation.bundle.manifest
    return {
        "board": f"{board.board}, at {board.url}",
        "core": f"has {board.features}",
        "agent": f"{board.build}, ABI version {board.abi}",
        "clock": f"{board.tick_hz:,} Hz",
        "memory": f"{board.memory_bytes:,} bytes",
        "library": f"for {board.core}, {manifest.precision}, bundle {board.bundle_id}",
        **{f"weights of {one.name}": one.sha256 for one in manifest.specialists},
    }


def _link_facts(validation: Validation) -> dict[str, str]:
    link = validation.link
    return {
        "sent, received": f"{link.bytes_sent:,} and {link.bytes_received:,} bytes",
        "baud": f"{link.baud:,}" if link.baud else "none: no rate to choose",
        "round trip": f"{1e3 * link.round_trip_s:.1f} ms",
        "time beside the runs": f"{link.transfer_s:.2f} s for all tiles",
        "sent again": f"{link.retransmits} frames",
        "damaged": f"{link.bad_frames} frames on their way here, {link.dropped_frames} on their way there",
        "reconnects": f"{link.reconnects}",
        "restarts of the board": f"{link.resets}",
    }


def _warnings(validation: Validation) -> list[str]:
    items = "".join(f"<li>{escape(warning)}</li>" for warning in validation.warnings)
    return [section("Warnings", f'<div class="card"><ul>{items}</ul></div>')] if items else []


def _console(validation: Validation) -> list[str]:
    """What the board said between frames."""
    text = escape("\n".join(validation.console))
    return [section("Console", f'<div class="card wide"><pre>{text}</pre></div>')] if text else []

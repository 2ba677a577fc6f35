"""A verification as one HTML page that needs nothing else: no network, no script, no files beside it."""

from __future__ import annotations

from collections.abc import Mapping

from compile.verification import Verification
from isp.report.results_page import facts_table, page, section
from targets.tile_pictures import ABOUT_PICTURES, ARENA_AND_TIME, failures_section, results_table, tile_pictures


def verification_page(verification: Verification, target: str, toolchain: Mapping[str, str]) -> str:
    """The page's HTML.

    target: what the bundle was compiled for. toolchain: versions of what compiled it, by name.
    """
    results, worst = verification.results, verification.worst
    limits = verification.threshold
    failed = len(verification.failures)
    numbers = [("verdict", f"{failed} of {len(results)} fail" if failed else "passes", f"{len(results)} golden tiles")]
    if worst is not None:
        numbers += [
            ("max error", f"{worst.max_error:.2g}", f"at most {limits.max_error:g} of full scale"),
            ("RMS error", f"{worst.rms_error:.2g}", "of full scale"),
            ("PSNR against float", f"{worst.psnr_db:.1f} dB", "of the worst tile"),
            ("quality loss", f"{worst.quality_loss_db:+.4f} dB", f"at most {limits.quality_loss_db:g} dB"),
        ]
    facts = {"target": target, "run by": " ".join(verification.command), **toolchain}
    sections = [
        section("Tiles", f'<p>{_ABOUT}</p><div class="card wide">{results_table(results, ARENA_AND_TIME)}</div>'),
        *failures_section(results),
        section("Circumstances", facts_table(facts)),
        section("Pictures", f"<p>{ABOUT_PICTURES}</p>" + tile_pictures(results, "target")),
    ]
    return page(f"Verification for {target}", "Golden tiles against the float model in float64", numbers, sections)


_ABOUT = (
    "Errors are against the float reference, relative to full scale; of values beyond it, to the value itself. Noisy, "
    "float and target are raw PSNR of the input, the reference and the target's output against the clean tile; the "
    "loss is what the target's lies below the reference's. Time is the processor's on the machine that ran the tile: "
    "under an emulator it tells nothing of the target."
)

"""What every page of an evaluation shows."""

from __future__ import annotations

from collections.abc import Sequence

from denoiser.evaluation.candidates import Candidate
from denoiser.evaluation.document import versions
from isp.report.results_page import cells_table, facts_table, section, shot_text


def models_section(candidates: Sequence[Candidate]) -> str:
    """What each candidate consists of, and what it costs."""
    rows = [
        {
            "model": candidate.label,
            "network": network.name,
            "parameters": f"{network.parameters:,}",
            "kMAC per raw pixel": f"{network.kmac_per_px:.2f}",
            "trained for shot noise": " to ".join(shot_text(shot) for shot in network.shot_range),
            "chosen from": shot_text(network.chosen_from) if network.chosen_from else "",
            "SHA-256 of the weights": network.sha256,
        }
        for candidate in candidates
        for network in candidate.networks
    ]
    return section("Models", f'<div class="card wide">{cells_table(rows, "networks")}</div>')


def versions_section() -> str:
    return section("Versions", facts_table(versions()))

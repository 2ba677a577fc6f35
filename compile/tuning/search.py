"""Tuning: every kernel's candidates measured, the best kept; what is finished is never lost."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from compile.row_kernels.kernel import RowKernel, Tiling, Vectors
from compile.tuning import records
from compile.tuning.meter import Meter
from compile.tuning.records import Entry, Records
from compile.tuning.space import Search
from targets.descriptions import Target

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Campaign:
    """What to tune, and how. count: tilings to try for each kernel, beside the untuned one."""

    target: Target
    vectors: Vectors
    meter: Meter
    search: Search
    count: int


def tune(campaign: Campaign, untuned: Mapping[RowKernel, Tiling], folder: Path) -> Records:
    """Tunes kernels and writes their records into `folder`, after each of them.

    A kernel for which as many tilings were tried already is left as it is, so that a run that was
    interrupted goes on where it stopped.
    """
    path = records.path_of(folder, campaign.target, campaign.vectors)
    vectors, meter = campaign.vectors, campaign.meter
    known = records.read(path)
    if known is None or not known.fit(vectors) or known.measured_by != meter.description:
        known = Records(1, records.name_of(campaign.target), vectors.values, vectors.lanes, meter.description, {})
    for number, (kernel, start) in enumerate(untuned.items(), 1):
        done = known.kernels.get(kernel.name)
        if done is not None and done.tried > campaign.count:
            log.info("[%d/%d] %s: tuned before", number, len(untuned), kernel.name)
            continue
        entry = _best(campaign, kernel, start)
        log.info("[%d/%d] %s: %.2f of the untuned cost", number, len(untuned), kernel.name, entry.cost)
        known = replace(known, kernels={**known.kernels, kernel.name: entry})
        records.write(path, known)
    return known


def _best(campaign: Campaign, kernel: RowKernel, start: Tiling) -> Entry:
    others = campaign.search(kernel, campaign.vectors, campaign.count)
    candidates = (start, *(tiling for tiling in others if tiling != start))
    costs = campaign.meter.measure(kernel, candidates)
    best = min(range(len(candidates)), key=costs.__getitem__)
    chosen = candidates[best]
    tried = max(len(candidates), campaign.count + 1)
    return Entry(chosen.columns, chosen.blocks, chosen.unrolled, round(costs[best] / costs[0], 4), tried)

"""Which of the bundles that were made here to check a board with, where none is named."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from isp.errors import ConfigError, InputError
from targets.bundle import MANIFEST
from targets.link.messages import Hello
from targets.npu_bundle import AnyBundle, read_any

log = logging.getLogger(__name__)


def only_bundle(folder: Path, hello: Callable[[], Hello | None]) -> AnyBundle:
    """The bundle among a folder's own folders that is the only one, else the one that the board carries.

    hello: asks the board what it is, if there are several; None from one that carries nothing by itself.

    Raises ConfigError where there is none, or that tells none of them.
    """
    made = tuple(_bundles(folder))
    if not made:
        raise ConfigError(
            f"no bundle is named, and there is none in {folder}",
            expected="a folder that `python -m compile` made",
            remedy="python -m compile --target NAME makes one",
        )
    if len(made) == 1:
        return made[0]
    board = hello()
    if board is None:
        raise ConfigError(f"no bundle is named, and {folder} has {_listed(made)}", remedy="name one of them")
    for bundle in made:
        if bundle.bundle_id == board.bundle_id:
            return bundle
    raise ConfigError(
        f"{board.board} carries bundle {board.bundle_id.hex()[:12]}, which is none of {_listed(made)}",
        remedy="name the folder of its bundle, or put one of these on the board",
    )


def _bundles(folder: Path) -> list[AnyBundle]:
    found = []
    for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
        if manifest.parent.suffix == ".failed":  # evidence of a compile that failed
            continue
        try:
            found.append(read_any(manifest.parent))
        except InputError as error:
            log.warning("left out: %s", error)
    return found


def _listed(bundles: Sequence[AnyBundle]) -> str:
    return ", ".join(str(bundle.folder) for bundle in bundles)

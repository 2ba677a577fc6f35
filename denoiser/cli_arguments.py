"""Arguments that several commands of `python -m denoiser` take."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_photographs(parser: argparse.ArgumentParser) -> None:
    """`--photographs DIR`: refused with exit code 2 if there is no such folder."""
    parser.add_argument("--photographs", type=_folder, required=True, metavar="DIR", help="folder of sRGB photographs")


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder; expected a folder of photographs")
    return path

"""Arguments that several commands of `python -m denoiser` take."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_photographs(parser: argparse.ArgumentParser) -> None:
    """`--photographs DIR`: refused with exit code 2 if there is no such folder."""
    parser.add_argument(
        "--photographs", type=existing_folder, required=True, metavar="DIR", help="folder of sRGB photographs"
    )


def existing_folder(text: str) -> Path:
    """Type of an argument that names a folder."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder")
    return path

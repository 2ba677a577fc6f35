"""Compiles the denoiser for a device: `python -m compile --target arm64`."""

from __future__ import annotations

import sys

from compile.cli import main

if __name__ == "__main__":
    sys.exit(main())

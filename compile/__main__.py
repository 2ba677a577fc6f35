"""Compiles the denoiser for a device: `python -m compile --target arm64`."""

from __future__ import annotations

import signal
import sys

from compile.cli import main

if __name__ == "__main__":
    # As Ctrl-C: what was started or half written goes with the command.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())

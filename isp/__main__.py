"""`python -m isp`."""

from __future__ import annotations

import sys

from isp.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

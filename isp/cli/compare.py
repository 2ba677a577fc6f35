"""`compare`: a page that shows denoised against not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from isp.cli import settings
from isp.cli.console import Progress
from isp.develop import Settings, make_folder
from isp.errors import ConfigError


def execute(options: argparse.Namespace) -> int:
    """Writes the page and says where it is."""
    source = Path(options.capture)
    target = Path(options.output or f"{source.stem}.html")
    if target.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"cannot write {target}", expected="a name that ends in .html")
    if target.exists() and not options.overwrite:
        raise ConfigError(f"{target} exists", remedy="add --overwrite to replace it")
    chosen = Settings(
        pipeline=settings.pipeline(options),
        noise=settings.noise(options),
        calibration=settings.calibration(options),
        dump=settings.dump(options),
    )
    from isp.atomic import replacing
    from isp.report.comparison import compare
    from isp.report.page import comparison_page

    with Progress(1) as progress:
        page = comparison_page(
            compare(source, chosen, lambda step, share: progress.show(f"{source.name}: {step}", part=share))
        )
    make_folder(target.parent)
    with replacing(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    sys.stdout.write(f"{source} -> {target}  {target.stat().st_size / 1e6:.1f} MB\n")
    return 0

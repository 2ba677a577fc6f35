"""URLs that name no board."""

from __future__ import annotations

import pytest

from isp.errors import ConfigError
from targets.transports import open_transport


@pytest.mark.parametrize("url", ["http://board", "ssh:", "user:", "qemu:", "usb:1-2", "ssh:-oProxyCommand=x:/agent"])
def test_a_form_that_is_not_known(url: str) -> None:
    with pytest.raises(ConfigError, match=r"names no (board|host)"):
        open_transport(url)


@pytest.mark.parametrize("url", ["user:host", "user:cortex-a72", "qemu:mps3-an547"])
def test_a_bundle_that_is_missing(url: str) -> None:
    with pytest.raises(ConfigError, match=f"{url} builds the agent of a bundle"):
        open_transport(url)


def test_neither_agent_nor_bundle_for_ssh() -> None:
    with pytest.raises(ConfigError, match="names no agent on the board, and there is no bundle"):
        open_transport("ssh:pi@board")

"""The agent, built once, and the two boards that must behave alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware_hooks.link.programs import LINK, LINUX_PORT, STUBS, build


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Linux agent with a stand-in for the library."""
    path = tmp_path_factory.mktemp("link-agent") / "fan-agent"
    return build(path, [*LINK, *STUBS, *LINUX_PORT], "-O1")


@pytest.fixture(params=["reference", "agent"])
def program(request: pytest.FixtureRequest) -> Path | None:
    """Of the agent, or None for the reference board."""
    return request.getfixturevalue("agent") if request.param == "agent" else None

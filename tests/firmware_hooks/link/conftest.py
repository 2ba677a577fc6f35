"""Programs that are built once, and agents that end well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.firmware_hooks.link.programs import HERE, HOOKS, LINK, LINUX_PORT, SANITIZERS, STUBS, Driven, Host, build


@pytest.fixture(scope="session")
def agent_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("link") / "agent-driver"
    return build(path, [*LINK, *STUBS, HERE / "agent_driver.c"], *SANITIZERS)


@pytest.fixture(scope="session")
def codec_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("link") / "codec-driver"
    return build(path, [HOOKS / "link" / "fan_link.c", HERE / "codec_driver.c"], *SANITIZERS)


@pytest.fixture(scope="session")
def linux_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true program with the stand-in of a library."""
    path = tmp_path_factory.mktemp("link") / "fan-agent"
    return build(path, [*LINK, *STUBS, *LINUX_PORT], *SANITIZERS)


@pytest.fixture(scope="session")
def demanding_agent_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its library needs the features 1 and 4."""
    path = tmp_path_factory.mktemp("link") / "demanding-agent-driver"
    return build(path, [*LINK, *STUBS, HERE / "agent_driver.c"], *SANITIZERS, "-DNEEDED_FEATURES=5u")


@contextmanager
def starting(program: Path) -> Iterator[Callable[..., Driven]]:
    """Starts agents; each must end without a sanitizer's complaint."""
    started = []

    def start_one(**facts: int | str) -> Driven:
        started.append(Driven(program, **facts))  # type: ignore[arg-type]
        return started[-1]

    yield start_one
    assert [agent.close() for agent in started] == [0] * len(started)


@pytest.fixture
def start(agent_driver: Path) -> Iterator[Callable[..., Driven]]:
    with starting(agent_driver) as start_one:
        yield start_one


@pytest.fixture
def demanding_driver(demanding_agent_driver: Path) -> Iterator[Callable[..., Driven]]:
    with starting(demanding_agent_driver) as start_one:
        yield start_one


@pytest.fixture
def host(start: Callable[..., Driven]) -> Host[Driven]:
    """One that said HELLO."""
    made = Host(start())
    made.hello()
    return made

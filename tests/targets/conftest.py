"""Bundles of a tiny network, compiled once, and agents of them that run on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from benchmarks.agent_process import agent_process
from denoiser import weights_file
from targets.agent_build import build_agent
from targets.descriptions import load
from targets.toolchain import find_compiler
from tests.compile.small_networks import TINIEST, random_network

MakeTiny = Callable[[str], Path]
"""Gives the folder of a target's bundle."""
StartAgent = Callable[..., str]
"""Starts the agent of a bundle for this machine, with options, and gives its URL."""


@pytest.fixture(scope="session")
def tiny_bundle_for(tmp_path_factory: pytest.TempPathFactory) -> MakeTiny:
    """Compiles the tiny network for a target; skips where there is no compiler for it."""
    from compile.cli import main

    folder = tmp_path_factory.mktemp("tiny")
    weights = folder / "tiny.safetensors"
    weights_file.save(weights, random_network(TINIEST), "tiny", (5e-5, 2e-2))

    def made(target: str) -> Path:
        output = folder / target
        if not output.exists():
            if find_compiler(load(target)) is None:
                pytest.skip(f"there is no C compiler for {target}")
            arguments = ["--target", target, "--model", str(weights), "--no-verify", "-o", str(output)]
            assert main(arguments) == 0
        return output

    return made


@pytest.fixture(scope="session")
def tiny_bundle(tiny_bundle_for: MakeTiny) -> Path:
    """A bundle for this machine."""
    return tiny_bundle_for("host")


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[StartAgent]:
    numbers = count()
    with ExitStack() as started:

        def start(bundle: Path, *options: str) -> str:
            program = build_agent(bundle, tmp_path / f"agent-{next(numbers)}")
            process = started.enter_context(agent_process([program, "--tcp", "127.0.0.1:0", *options]))
            assert process.stderr is not None
            return f"socket://{process.stderr.readline().split()[-1]}"

        yield start

"""`python -m targets agent`: builds the program that runs on a board, from a bundle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from isp.errors import ConfigError

BUILD = Path("build")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "agent",
        help="build the agent for a board",
        description="Builds the agent of a bundle: for a target with Linux a static program to copy onto the board, "
        "for a machine without an operating system an ELF image for its debugger.",
    )
    parser.add_argument("--target", required=True, help="name of the bundle's target, or its YAML file")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="folder of the bundle (default: build/TARGET)")
    parser.add_argument("--machine", help="the board, where the target has no operating system, such as mps3-an547")
    parser.add_argument(
        "--sources", type=Path, metavar="DIR", help="write what your own firmware needs to carry the agent, instead"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("fan-agent"), help="file (default: fan-agent)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from targets.agent_build import build_agent, write_agent_sources
    from targets.descriptions import load
    from targets.machines import load_machine

    if arguments.output.is_dir():
        raise ConfigError(f"-o {arguments.output}: a folder", expected="the name of a file")
    target = load(arguments.target)
    bundle = arguments.bundle or BUILD / target.name
    if arguments.sources is not None:
        output = write_agent_sources(bundle, arguments.sources, target=target)
    else:
        machine = None if arguments.machine is None else load_machine(arguments.machine)
        output = build_agent(bundle, arguments.output, machine, target=target)
    sys.stdout.write(f"{output}\n")
    return 0

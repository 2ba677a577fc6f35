"""`python -m compile --target arm64`: a bundle for one target, verified unless told otherwise."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from isp.cli.ending import exit_code
from isp.errors import ConfigError, MismatchError
from targets.descriptions import HOST, OperatingSystem, Precision, load
from targets.toolchain import ToolchainError

if TYPE_CHECKING:
    from compile.bundle import Request
    from compile.tuning.meter import Meter
    from compile.verification import Verification
    from targets.descriptions import Npu, Target, Threshold
    from targets.toolchain import Compiler

log = logging.getLogger(__name__)

BUILD = Path("build")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code (documented in `isp.errors`)."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_code(lambda: run(parsed), "; nothing was written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m compile",
        description="Compiles the denoiser for a device into a bundle: a library without a runtime, its header, golden "
        "tiles, and the proof that the library computes what the float model computes. "
        "`python -m targets list` shows the targets.",
    )
    parser.add_argument("--target", required=True, help="name of a target, or the YAML file of one's own")
    parser.add_argument(
        "--model", default="auto", help="auto (the best that is shipped), a family, a model, or a .safetensors file"
    )
    parser.add_argument(
        "--precision", help="what the kernels compute in (default: float32), or an NPU (default: a16w8; or a8w8)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the bundle (default: build/TARGET)")
    parser.add_argument(
        "--tile",
        type=int,
        metavar="PX",
        help="of an NPU: side of the tile that it computes at once, in pixels of the mosaic (default: the largest that "
        "fits its memory)",
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help="of an NPU: folder of sRGB photographs that its integers are fitted to, once unprocessed to RAW (default: "
        "scenes that are drawn)",
    )
    parser.add_argument("--no-verify", action="store_true", help="don't run the result against the float model")
    parser.add_argument(
        "--tune",
        type=int,
        metavar="N",
        help="first try N register tiles for each kernel and keep the best in build/tuning: by time for the target "
        "host or with --rpc, else by cycles that are worked out for the core. Resumes after an interruption",
    )
    parser.add_argument(
        "--rpc", metavar="HOST:PORT[/KEY]", help="with --tune: a board's TVM RPC server, or a tracker's"
    )
    parser.add_argument("--search", default="shuffled", help="with --tune: shuffled (default) or metaschedule")
    parser.add_argument("--json", action="store_true", help="the bundle's manifest on stdout, not the table")
    return parser


def run(arguments: argparse.Namespace) -> int:
    target = load(arguments.target)
    precision = arguments.precision or target.precisions[0]
    if precision not in target.precisions:
        raise ConfigError(f"precision {precision!r} for {target.name}", expected=", ".join(target.precisions))
    output = arguments.output or BUILD / target.name
    failed_output = output.with_name(f"{output.name}.failed")
    for folder in (output, failed_output):
        _check_replaceable(folder)
    began = time.monotonic()
    if target.npu is not None:
        return _run_npu(arguments, target, target.npu, precision, output, failed_output)
    for option in ("tile", "calibrate"):
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option} for {target.name}", expected="a target whose network an NPU computes")
    # TVM is imported only now: it takes seconds.
    from compile import bundle, networks
    from targets import toolchain

    request = bundle.Request(
        target, Precision(precision), networks.load(arguments.model), toolchain.find_compiler(target)
    )
    if arguments.tune is not None:
        _tune(request, arguments.tune, arguments.rpc, arguments.search)
    names = ", ".join(each.member.name for each in request.family.networks)
    log.info("compiling %s for %s (%s, %s)", names, target.name, target.cpu, request.precision)
    with _staging(output) as staging:
        built = bundle.build(request, staging)
        bundle.write_manifest(staging, request, built, None)
        verification = None if arguments.no_verify else _verified(request, staging)
        if verification is not None:
            bundle.write_verification(staging, request, verification)
            bundle.write_manifest(staging, request, built, verification)
        content = (staging / bundle.MANIFEST).read_text(encoding="utf-8")
        failed = verification is not None and not verification.passes
        destination = failed_output if failed else output
        _replace(staging, destination)
    sys.stdout.write(content if arguments.json else _summary(destination, verification))
    log.info("%s: made in %.0f s", destination, time.monotonic() - began)
    if request.compiler is None:
        log.warning(
            "%s. The archive lacks the engine: src/ is yours to compile", toolchain.missing_compiler_message(target)
        )
    if verification is not None and failed:
        raise _mismatch(destination, output, len(verification.failures), len(verification.results))
    if verification is None and not arguments.no_verify:
        raise ToolchainError(
            f"{destination}: made, but not verified: {toolchain.missing_to_run(target)}",
            remedy="--no-verify to do without",
        )
    return 0


def _run_npu(
    arguments: argparse.Namespace, target: Target, npu: Npu, precision: str, output: Path, failed_output: Path
) -> int:
    """The same for a target whose network an NPU computes."""
    if arguments.tune is not None:
        raise ConfigError(f"--tune for {target.name}", expected="a target whose core computes the network")
    if arguments.calibrate is not None and not arguments.calibrate.is_dir():
        raise ConfigError(f"--calibrate {arguments.calibrate}: no such folder", expected="one of sRGB photographs")
    from compile.ethos_u import extra

    extra.require()
    # TVM is imported only now: it takes seconds.
    from compile import networks
    from compile.ethos_u import network_bundle
    from compile.ethos_u.integer_graph import Precision as NpuPrecision
    from compile.ethos_u.report import table

    began = time.monotonic()
    family = networks.load(arguments.model)
    request = network_bundle.Request(target, npu, NpuPrecision(precision), family, arguments.tile, arguments.calibrate)
    names = ", ".join(each.member.name for each in request.family.networks)
    log.info("compiling %s for %s (%s)", names, target.name, request.precision)
    with _staging(output) as staging:
        built = network_bundle.build(request)
        network_bundle.write(request, built, staging)
        results = None if arguments.no_verify else network_bundle.verified(request, built, staging)
        if results is not None:
            network_bundle.write_verification(request, built, results, staging)
        network_bundle.write_manifest(request, built, results, staging)
        content = (staging / network_bundle.MANIFEST).read_text(encoding="utf-8")
        failures = [one for one in results or () if one.failure]
        destination = failed_output if failures else output
        _replace(staging, destination)
    summary = f"{destination}\n" if results is None else f"{table(results)}\n\n{destination}\n"
    sys.stdout.write(content if arguments.json else summary)
    log.info("%s: made in %.0f s", destination, time.monotonic() - began)
    if results is not None and failures:
        raise _mismatch(destination, output, len(failures), len(results))
    return 0


def _mismatch(destination: Path, output: Path, failed: int, tiles: int) -> MismatchError:
    return MismatchError(
        f"{destination}: {failed} of {tiles} golden tiles fail",
        expected="all within the target's thresholds",
        remedy=f"the evidence is kept there, {output} is as it was",
    )


def _tune(request: Request, count: int, server: str | None, search: str) -> None:
    """Tunes the request's kernels; their records lie in TUNING afterwards."""
    from compile.bundle import TUNING
    from compile.tuning.search import Campaign, tune
    from compile.tuning.space import SEARCHES
    from targets import toolchain

    if count < 1:
        raise ConfigError(f"--tune {count}", expected="at least 1")
    if search not in SEARCHES:
        raise ConfigError(f"search {search!r}", expected=", ".join(SEARCHES))
    if request.compiler is None:
        raise ToolchainError(toolchain.missing_compiler_message(request.target))
    meter = _meter(request, request.compiler, server)
    log.info("tuning %d kernels by %s", len(request.untuned), meter.description)
    tune(Campaign(request.target, request.vectors, meter, SEARCHES[search], count), request.untuned, TUNING)


def _meter(request: Request, compiler: Compiler, server: str | None) -> Meter:
    from compile.bundle import TUNING
    from targets import toolchain

    target, vectors = request.target, request.vectors
    if server is not None:
        from compile.tuning.rpc_meter import RpcMeter, parse_server

        return RpcMeter(target, vectors, compiler, parse_server(server))
    if target.name == HOST:
        from compile.tuning.host_meter import HostMeter

        return HostMeter(target, vectors, compiler)
    from compile.tuning.bench import Bench, LinuxBench, MachineBench
    from compile.tuning.cycles_meter import CyclesMeter
    from compile.tuning.instructions_meter import InstructionsMeter

    machine, prefix = toolchain.machine_to_run(target), toolchain.run_prefix(target)
    bench: Bench
    if machine is not None:
        bench = MachineBench(compiler, machine)
    elif prefix and target.model_core is not None:
        bench = LinuxBench(compiler, tuple(prefix))
    else:
        raise ToolchainError(
            f"tuning for {target.name}: {toolchain.missing_to_run(target)}",
            remedy="tune on a board with --rpc, or compile with the records there are",
        )
    if target.model_core is None:
        return InstructionsMeter(target, vectors, bench, TUNING / "cache")
    return CyclesMeter(target, vectors, bench, target.model_core, TUNING / "cache")


def _verified(request: Request, folder: Path) -> Verification | None:
    """What the target's code makes of the golden tiles; None where nothing here can run it."""
    from compile import bundle
    from compile.verification import verify
    from targets import toolchain

    target, threshold = request.target, request.target.thresholds[request.precision]
    if request.compiler is None:
        return None
    if target.operating_system is OperatingSystem.NONE:
        return _verified_on_machine(target, folder, threshold)
    prefix = toolchain.run_prefix(target)
    if prefix is None:
        return None
    log.info("running the golden tiles%s", f" under {prefix[0]}" if prefix else "")
    with tempfile.TemporaryDirectory(prefix="fan-runner-") as temporary:
        runner = Path(temporary) / "runner"
        bundle.link_runner(request.compiler, folder, runner)
        return verify(folder, prefix, runner, threshold)


def _verified_on_machine(target: Target, folder: Path, threshold: Threshold) -> Verification | None:
    from compile.machine_verification import verify_on_machine
    from targets import toolchain

    machine = toolchain.machine_to_run(target)
    if machine is None:
        return None
    log.info("running the golden tiles on an emulated %s", machine.name)
    return verify_on_machine(folder, target, machine, threshold)


def _summary(folder: Path, verification: Verification | None) -> str:
    from targets.verdict import table

    if verification is None:
        return f"{folder}\n"
    return f"{table(verification.results, verification.threshold)}\n\n{folder}\n"


def _check_replaceable(output: Path) -> None:
    """A folder that exists is replaced only if it holds a bundle, or nothing."""
    if output.is_dir() and any(output.iterdir()) and not _is_bundle(output):
        raise ConfigError(
            f"{output}: a folder with something else in it", expected="a bundle, which is replaced, or no such folder"
        )
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output}: a file", expected="a folder to be made")


def _is_bundle(folder: Path) -> bool:
    """Whether its manifest is one that this command writes."""
    try:
        content = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and (
        {"target", "abi", "specialists"} <= content.keys() and not {"library", "npu"}.isdisjoint(content)
    )


@contextmanager
def _staging(output: Path) -> Iterator[Path]:
    """An empty folder beside `output`, gone afterwards unless it was moved away."""
    output.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".partial", dir=output.parent))
    staging.chmod(0o755)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _replace(staging: Path, destination: Path) -> None:
    """Moves a finished folder to its place; what was there is removed once the new one stands."""
    previous = staging.with_suffix(".previous")
    if destination.exists():
        destination.rename(previous)
    staging.rename(destination)
    shutil.rmtree(previous, ignore_errors=True)

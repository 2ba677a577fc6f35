"""The agent with the engine and networks, not their stand-in: what comes back is what fan_run makes of the tile."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from tests.firmware_hooks.engines import HOOKS, USUAL, Engine, Fan, mosaic_of
from tests.firmware_hooks.link.jobs import HELLO_FIXED, JOB, upload
from tests.firmware_hooks.link.programs import LINK, LINUX_PORT, Host
from tests.firmware_hooks.link.streams import running
from tests.firmware_hooks.link.wire import BUSY, DESCRIBE, OK, RUN_FAILED

MEMORY_BYTES = 8 << 20


def bundle_source(specialists: int) -> str:
    return f"""#include "fan_agent.h"
static const uint8_t weights[{specialists}][FAN_SHA256_BYTES] = {{{{1u}}}};
const fan_agent_bundle fan_bundle = {{"board", "core", "build", {{1u}}, 0u, weights}};
"""


@pytest.fixture(scope="session")
def engine_agent(engine: Engine) -> Path:
    bundle = engine.folder / "fan_bundle.c"
    bundle.write_text(bundle_source(len(engine.networks)))
    sources = [HOOKS / "src" / "fan.c", engine.tables, *LINK, bundle, *LINUX_PORT]
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return engine.linked(sources, "fan-agent", "-O1", "-g", *sanitizers, f"-I{HOOKS / 'link'}")


@pytest.mark.parametrize(("height", "width"), [(16, 16), (64, 48)])
def test_every_network_over_the_link(engine_agent: Path, engine: Engine, fan: Fan, height: int, width: int) -> None:
    mosaic = mosaic_of(height, width)
    with running(engine_agent, "--stdio", "--memory", str(MEMORY_BYTES)) as program:
        host = Host(program.cable)
        hello = HELLO_FIXED.unpack_from(host.hello().payload)
        assert (hello[3], hello[9]) == (fan.abi_version(), len(engine.networks))
        upload(host, mosaic.tobytes())
        for index, network in enumerate(engine.networks):
            described = host.ask(DESCRIBE, index)
            facts = struct.unpack_from("<IQ", described.payload)
            assert facts == (fan.halo(index), fan.arena_bytes(index, 64, 64))
            assert described.payload[44:].decode() == chr(len(network.name)) + network.name
            request = struct.pack("<I6fII", index, *USUAL.shot, *USUAL.read, width, height)
            assert host.run(JOB, request).session_or_status == BUSY
            answer = host.finish_run()[-1]
            assert answer.session_or_status == OK
            ticks, arena_bytes, crc, count = struct.unpack("<QQII", answer.payload)
            out = host.read_all(JOB, mosaic.nbytes)
            assert out == fan.denoised(index, mosaic, USUAL).tobytes()
            assert (arena_bytes, crc, count) == (fan.arena_bytes(index, width, height), zlib.crc32(out), len(out))
            assert ticks > 0


def test_without_noise_and_with_an_impossible_one(engine_agent: Path) -> None:
    mosaic = mosaic_of(32, 32)
    with running(engine_agent, "--stdio", "--memory", str(MEMORY_BYTES)) as program:
        host = Host(program.cable)
        host.hello()
        upload(host, mosaic.tobytes())
        answer = host.run(JOB, struct.pack("<I6fII", 0, *[-1.0] * 6, 32, 32))
        assert (answer.session_or_status, answer.argument) == (RUN_FAILED, 1)
        assert host.run(JOB, struct.pack("<I6fII", 0, *[0.0] * 6, 32, 32)).session_or_status == BUSY
        assert host.finish_run()[-1].session_or_status == OK
        assert host.read_all(JOB, mosaic.nbytes) == mosaic.tobytes()

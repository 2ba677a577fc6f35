"""Programs of the link's C sources with stand-ins for what lies around them."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import IO, Generic, Protocol, TypeVar

from tests.firmware_hooks.link.wire import HELLO, OK, OPEN, READ, RUN, WRITE, Frame, frames_of

HOOKS = Path(str(files("firmware_hooks")))
HERE = Path(__file__).parent
LINK = [*sorted((HOOKS / "link").glob("*.c")), HOOKS / "engines" / "fan_work_core.c"]
LINUX_PORT = sorted((HOOKS / "ports/linux").glob("*.c"))
STUBS = [HERE / "stub_fan.c", HERE / "stub_bundle.c"]
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MEMORY_BYTES = 1 << 20
BLOCK_BYTES = 256
MOST_PAYLOAD_BYTES = 1024
BUNDLE_ID = bytes([0xB0, 0xB1, 0xB2, *range(3, 16)])


def compiler() -> str:
    found = shutil.which("gcc") or shutil.which("cc")
    assert found, "the tests need a C compiler"
    return found


def build(output: Path, sources: Sequence[Path], *options: str, cc: str | None = None) -> Path:
    includes = [f"-I{HOOKS / 'link'}", f"-I{HOOKS / 'include'}"]
    command: list[str | Path] = [cc or compiler(), *WARNINGS, *options, *includes, *sources]
    subprocess.run([*command, "-o", output], check=True)
    return output


@dataclass(frozen=True)
class Event:
    """kind: w (bytes went over a link) or b (its rate changed)."""

    kind: str
    link: int
    data: bytes = b""
    baud: int = 0


class Agent(Protocol):
    """Something that answers; `goes_on` says whether a run was under way when it was polled last."""

    goes_on: bool

    def receive(self, data: bytes, link: int = 0) -> list[Event]: ...

    def poll(self, link: int = 0) -> list[Event]: ...


A = TypeVar("A", bound=Agent)


@dataclass
class Driven:
    """An agent whose port and clock the test is (agent_driver.c)."""

    program: Path
    memory_bytes: int = MEMORY_BYTES
    core_features: int = 0
    boot_id: int = 0
    start_baud: int = 0
    ticks_a_turn: int = 0
    board: str = ""
    goes_on: bool = False
    begun_runs: int = 0
    _process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        facts = (self.memory_bytes, self.core_features, self.boot_id, self.start_baud, self.ticks_a_turn)
        command: list[str | Path] = [self.program, *(str(fact) for fact in facts), self.board]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self) -> int:
        """The program's exit code: not 0 where a sanitizer found something."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        code = self._process.wait(60)
        self._process.stdout.close()
        return code

    def receive(self, data: bytes, link: int = 0) -> list[Event]:
        return self._do(b"r" + bytes([link]) + struct.pack("<I", len(data)) + data)

    def poll(self, link: int = 0) -> list[Event]:
        return self._do(b"p" + bytes([link]))

    def wait(self, milliseconds: int) -> None:
        assert not self._do(b"t\0" + struct.pack("<I", milliseconds))

    def reconnect(self, link: int = 0) -> None:
        assert not self._do(b"c" + bytes([link]))

    def _do(self, command: bytes) -> list[Event]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(command)
        self._process.stdin.flush()
        events = []
        while (kind := exactly(self._process.stdout, 1)) != b".":
            link = exactly(self._process.stdout, 1)[0]
            (value,) = struct.unpack("<I", exactly(self._process.stdout, 4))
            if kind == b"w":
                events.append(Event("w", link, exactly(self._process.stdout, value)))
            else:
                events.append(Event("b", link, baud=value))
        goes_on, self.begun_runs = struct.unpack("<II", exactly(self._process.stdout, 8))
        self.goes_on = bool(goes_on)
        return events


def exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    assert len(data) == count, "the program stopped: a sanitizer found something"
    return data


def replies(events: Sequence[Event], link: int = 0) -> list[Frame]:
    """What was written to a link, which must be good frames."""
    return [frame for event in events if event.kind == "w" and event.link == link for frame in frames_of(event.data)]


@dataclass
class Host(Generic[A]):
    """One host on one link of an agent; `session` is that of its last HELLO."""

    agent: A
    identity: int = 0x1122334455667788
    link: int = 0
    session: int = 0
    sequence: int = 100

    def ask(self, op: int, argument: int = 0, payload: bytes = b"", *, session: int | None = None) -> Frame:
        """The one reply to a request."""
        answers = self.ask_for_all(op, argument, payload, session=session)
        assert len(answers) == 1
        return answers[0]

    def ask_for_all(
        self, op: int, argument: int = 0, payload: bytes = b"", *, session: int | None = None
    ) -> list[Frame]:
        self.sequence = (self.sequence + 1) % 0x10000
        number = self.session if session is None else session
        request = Frame(op, number, self.sequence, argument, payload)
        answers = replies(self.agent.receive(request.encoded, self.link), self.link)
        for answer in answers:
            assert (answer.version, answer.op, answer.sequence) == (1, op | 0x80, self.sequence)
        return answers

    def hello(self, *, release_other: int = 0) -> Frame:
        payload = struct.pack("<QB", self.identity, release_other)
        answer = self.ask(HELLO, 0, payload, session=0)
        if answer.session_or_status == OK:
            self.session = answer.argument
        return answer

    def open(self, job: int, data: bytes, crc: int) -> Frame:
        return self.ask(OPEN, 0, struct.pack("<III", job, len(data), crc))

    def write_all(self, data: bytes, step: int = MOST_PAYLOAD_BYTES) -> None:
        for offset in range(0, len(data), step):
            assert self.ask(WRITE, offset, data[offset : offset + step]).session_or_status == OK

    def finish_run(self) -> list[Frame]:
        """Frames that come until the run is done."""
        frames = replies(self.agent.poll(), self.link)
        while self.agent.goes_on:
            frames += replies(self.agent.poll(), self.link)
        return frames

    def read(self, job: int, offset: int, count: int) -> Frame:
        return self.ask(READ, offset, struct.pack("<IH", job, count))

    def read_all(self, job: int, count: int, step: int = MOST_PAYLOAD_BYTES) -> bytes:
        parts = [self.read(job, at, min(step, count - at)) for at in range(0, count, step)]
        assert all(part.session_or_status == OK for part in parts)
        return b"".join(part.payload for part in parts)

    def run(self, job: int, request: bytes) -> Frame:
        """The first reply."""
        return self.ask(RUN, job, request)


def run_request(
    specialist: int, width: int, height: int, shot: float = 0.0, read: float = 0.0, *, first_shot: float | None = None
) -> bytes:
    shots = (shot if first_shot is None else first_shot, shot, shot)
    return struct.pack("<I6fII", specialist, *shots, read, read, read, width, height)

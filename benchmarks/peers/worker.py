"""The process of one engine: reads requests, a JSON object a line, and answers each with one.

    {"do": "convert", "peer": NAME, "job": {...}}
    {"do": "open_peer", "peer": NAME, "job": {...}, "planes": FILE, "halo": N}
    {"do": "open_library", "bundle": FOLDER, "model": NAME, "shot": [...], "read": [...], "mosaic": FILE, "threads": N}
    {"do": "open_denoiser", ...}      as open_library
    {"do": "open_sgemm", "threads": N}
    {"do": "time", "repeats": N}      seconds of each run
    {"do": "save", "to": FILE}        runs once more, writes the result
    {"do": "memory"}                  bytes: the largest resident set so far, and the present one

The first argument lists the CPUs that it is confined to. An answer with "missing" names a module that isn't there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

Request = dict[str, Any]
Answer = dict[str, Any]


class Worker:
    """What was opened last, and what can be asked of it."""

    def __init__(self) -> None:
        self._run: Callable[[], Any] | None = None

    def answer(self, request: Request) -> Answer:
        """The answer to one request. Whatever else an engine raises ends the process, with its traceback."""
        try:
            method: Callable[[Request], Answer] = getattr(self, f"_{request['do']}")
            return method(request)
        except ModuleNotFoundError as error:
            return {"missing": str(error.name)}

    def _convert(self, request: Request) -> Answer:
        from benchmarks.peers import PEERS, Job

        PEERS[request["peer"]].loaded().convert(Job.from_dict(request["job"]))
        return {}

    def _open_peer(self, request: Request) -> Answer:
        import numpy as np

        from benchmarks.peers import PEERS, Job
        from benchmarks.peers.pieces import run_in_pieces

        peer, job = PEERS[request["peer"]], Job.from_dict(request["job"])
        planes = np.load(request["planes"])
        infer = peer.loaded().load(job)
        self._run = lambda: run_in_pieces(infer, planes, job.height, job.width, request["halo"])
        return {"version": version(peer.packages[0])}

    def _open_library(self, request: Request) -> Answer:
        from benchmarks.peers.compiled import open_library

        self._run = open_library(*_of_bundle(request), request["threads"])
        return {}

    def _open_denoiser(self, request: Request) -> Answer:
        from benchmarks.peers.compiled import open_denoiser

        self._run = open_denoiser(*_of_bundle(request))
        return {}

    def _open_sgemm(self, request: Request) -> Answer:
        from benchmarks.peers.sgemm import open_sgemm

        self._run, whose = open_sgemm(request["threads"])
        return {"version": whose}

    def _time(self, request: Request) -> Answer:
        assert self._run is not None
        elapsed_s = []
        for _ in range(request["repeats"]):
            began = time.perf_counter()
            self._run()
            elapsed_s.append(time.perf_counter() - began)
        return {"elapsed_s": elapsed_s}

    def _save(self, request: Request) -> Answer:
        import numpy as np

        assert self._run is not None
        np.save(request["to"], self._run())
        return {}

    def _memory(self, _request: Request) -> Answer:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        kb = {
            name: int(value.split()[0])
            for name, _, value in (line.partition(":") for line in status.splitlines())
            if name in ("VmHWM", "VmRSS")
        }
        # Not getrusage's maximum, which includes that of the process that started this one.
        return {"peak_bytes": kb["VmHWM"] * 1024, "resident_bytes": kb["VmRSS"] * 1024}


def _of_bundle(request: Request) -> tuple[Path, str, Any, Any]:
    import numpy as np

    from denoiser.denoise import NoisePerColour

    noise = NoisePerColour(tuple(request["shot"]), tuple(request["read"]))
    return Path(request["bundle"]), request["model"], noise, np.load(request["mosaic"])


def main() -> int:
    os.sched_setaffinity(0, {int(cpu) for cpu in sys.argv[1].split(",")})
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # engines write to standard output what they like
    worker = Worker()
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

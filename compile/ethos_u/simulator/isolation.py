"""Runs the simulator in a process of its own: Vela's codec ends its process at a damaged weight stream."""

from __future__ import annotations

import os
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from compile.ethos_u import simulator
from compile.ethos_u.compiled_network import CompiledNetwork
from compile.ethos_u.simulator.errors import SimulationError
from isp.errors import UserError

STDOUT, STDERR = 1, 2

Tensors = Mapping[str, NDArray[np.integer]]


def run_isolated(compiled: CompiledNetwork, inputs: Tensors) -> dict[str, NDArray[np.integer]]:
    """As `simulator.run`, for weights that may be damaged: a SimulationError where `run` would end the process."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(sender, compiled, inputs))
    child.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        raise SimulationError("Vela's codec ended the process", expected="intact weight streams") from None
    finally:
        receiver.close()
        child.join()
    if isinstance(found, UserError):
        raise found
    return found


def _run(sender: Connection, compiled: CompiledNetwork, inputs: Tensors) -> None:
    # What the codec has to say of a damaged stream are positions in it; the error says enough.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.dup2(nowhere, STDERR)
    try:
        sender.send(simulator.run(compiled, inputs))
    except UserError as error:
        sender.send(error)

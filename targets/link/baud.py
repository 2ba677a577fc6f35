"""The fastest rate that both UARTs and the cable between them can do."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from targets.errors import LinkTimeoutError
from targets.link.exchange import Exchange, RefusedError
from targets.link.messages import Op
from targets.link.transfer import Request

logger = logging.getLogger(__name__)

RATES = (921600, 3000000)
# A board at a rate where it hears nothing it knows goes back to that of the start after a second.
_BOARD_GIVES_UP_S = 1.2
_TRIAL_PATIENCE_S = 0.7
_TRIAL_FRAMES = 8


def negotiate(exchange: Exchange, greet: Callable[[], None], payload_bytes: int, start_baud: int) -> int:
    """Tries rising rates with frames of random bytes, and keeps the last at which none was lost.

    start_baud: where the board falls back to. Returns the rate. Raises what `Exchange.perform` raises if even the first
    rate no longer works.
    """
    baud = exchange.transport.baud or start_baud
    for rate in RATES:
        if rate <= baud:
            continue
        if not _switched(exchange, baud, rate):
            break
        if not _is_clean(exchange, payload_bytes):
            logger.info("%s: %d baud loses frames", exchange.transport.description, rate)
            _return_to(exchange, baud, start_baud, greet)
            break
        baud = rate
    return baud


def _switched(exchange: Exchange, before: int, rate: int) -> bool:
    """Both sides, at the rate `before`, have the new one; False where one of them cannot."""
    try:
        exchange.transport.set_baud(rate)
        exchange.transport.set_baud(before)
    except OSError:
        return False
    try:
        exchange.call(Request(Op.BAUD, rate))
    except RefusedError:
        return False
    exchange.transport.set_baud(rate)
    return True


def _is_clean(exchange: Exchange, payload_bytes: int) -> bool:
    noise = random.Random(exchange.transport.baud)
    retransmits, bad_frames = exchange.counters.retransmits, exchange.counters.bad_frames
    patience_s, exchange.patience_s = exchange.patience_s, _TRIAL_PATIENCE_S
    try:
        for _ in range(_TRIAL_FRAMES):
            payload = noise.randbytes(payload_bytes)
            if exchange.call(Request(Op.ECHO, 0, payload, payload_bytes)).payload != payload:
                return False
    except (LinkTimeoutError, RefusedError):
        return False
    finally:
        exchange.patience_s = patience_s
    return (retransmits, bad_frames) == (exchange.counters.retransmits, exchange.counters.bad_frames)


def _return_to(exchange: Exchange, baud: int, start_baud: int, greet: Callable[[], None]) -> None:
    """Lets the board fall back to the rate of the start, greets it there, and raises it to the last good one."""
    exchange.transport.set_baud(start_baud)
    time.sleep(_BOARD_GIVES_UP_S)
    greet()
    if baud != start_baud:
        _switched(exchange, start_baud, baud)

"""How many files and sockets this process may have open."""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

TELL_SECONDS = 60.0
"""Between two lines of the log about descriptors that have run out."""


def raise_limit() -> int:
    """Raise the soft limit to the hard one, as far as the system lets us; the limit that holds then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft  # a hard limit above what the kernel allows: the soft one goes on to hold
    return hard


def tell_seldom(loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic) -> None:
    """Log a line a minute while the servers of this loop cannot accept for want of descriptors.

    asyncio itself logs a traceback for every connection that waits, up to a thousand times a second.
    """
    told = -TELL_SECONDS

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told
        if context.get("message") != "socket.accept() out of system resource":
            loop.default_exception_handler(context)
        elif clock() - told >= TELL_SECONDS:
            told = clock()
            log.error("cannot accept connections: %s; raise LimitNOFILE", context.get("exception"))

    loop.set_exception_handler(handle)

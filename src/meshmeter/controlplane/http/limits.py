"""How much of a server others may have: connections, and time."""

from __future__ import annotations

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)

RESERVED = 256
"""Descriptors that are for the store, files, and whatever else is not a connection of a client."""

FEW = 1000
"""Connections of a port that are worth a warning if there cannot be more."""

IDLE_SECONDS = 60.0
"""Until a connection without a request is closed; longer than our own clients keep theirs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one port. Times are in seconds."""

    connections: int = 8192
    """Connections at most."""
    per_client: int = 4096
    """Of one client (an address, or an IPv6 network of 64 bits)."""
    head: float = 10.0
    """For the TLS handshake, and for the head of a request."""
    window: float = 10.0
    """Within so long a request body that is read, or an answer that is written, has to move by `least`."""
    least: int = 10 << 10
    """Bytes."""
    linger: float = 10.0
    """For the last bytes of a connection that is being closed."""
    stale: float = 2.0
    """A connection that said nothing for so long gives way to others, if there are too many such."""

    @property
    def waiting(self) -> int:
        """Connections at most on which no request has been read yet; others wait to be accepted."""
        return max(1, self.connections // 8)

    @property
    def waiting_per_client(self) -> int:
        """Of one client; more are closed at once."""
        return max(1, self.per_client // 8)


def fitting(limits: Limits, descriptors: int, ports: int) -> Limits:
    """The limits for each of so many ports that share the descriptors, so that none can take those of another."""
    most = max(16, (descriptors - RESERVED) // ports)
    if most >= limits.connections:
        return limits
    log.log(
        logging.WARNING if most < FEW else logging.INFO,
        "this process may have %d files open, which is enough for %d connections on each port, not for %d: raise "
        "LimitNOFILE (or `ulimit -Hn`) if there are more clients",
        descriptors,
        most,
        limits.connections,
    )
    return Limits(connections=most, per_client=min(limits.per_client, max(8, most // 2)))

"""How many files and sockets this process may have open."""

from __future__ import annotations

import resource


def raise_limit() -> int:
    """Raise the soft limit to the hard one, as far as the system lets us; the limit that holds then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft  # a hard limit above what the kernel allows: the soft one goes on to hold
    return hard

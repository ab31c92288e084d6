"""The series of one body that are also in another one."""

from __future__ import annotations

import re

_SERIES = re.compile(rb"([^#\n][^\n]*) [^ \n]*\n")


def intersect(body: bytes, other: bytes) -> bytes:
    """The lines of `body` whose series is in `other` as well, with all comments of `body`.

    Both must come from the same writer, as two answers of one Envoy do: series are compared as they are written.
    """
    wanted = set(_SERIES.findall(other if other.endswith(b"\n") else other + b"\n"))
    kept = [line for line in body.split(b"\n") if line[:1] == b"#" or line.rpartition(b" ")[0] in wanted]
    return b"\n".join(kept) + b"\n" if kept else b""

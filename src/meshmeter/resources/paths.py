"""Field paths in Kuma's form: `metrics.backends[0].conf.tags["kuma.io/service"]`."""

from __future__ import annotations

import json
import re

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_LONGEST_KEY = 64


def child(path: str, name: str) -> str:
    """The path of a field of a message. A name that no field can have is quoted like a map key."""
    if not _PLAIN.fullmatch(name):
        return key(path, name)
    return f"{path}.{name}" if path else name


def item(path: str, index: int) -> str:
    """The path of an item of a list."""
    return f"{path}[{index}]"


def key(path: str, name: str) -> str:
    """The path of a key of a map. Control characters are escaped, and a very long key is cut."""
    shown = name if len(name) <= _LONGEST_KEY else name[:_LONGEST_KEY] + "..."
    return f"{path}[{json.dumps(shown)}]"


def covers(path: str, other: str) -> bool:
    """True if `other` is `path` or lies inside it."""
    return other == path or (other.startswith(path) and other[len(path)] in ".[")

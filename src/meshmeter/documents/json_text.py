"""JSON read as JSON: faster than as the YAML that it nearly is, and right where YAML 1.1 knows less (`1e3`, `\\/`)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn


class DuplicateKey(ValueError):
    """JSON that has a key twice."""


def read_json(text: str, *, deepest: int) -> Any:
    """The value of a text.

    Raises ValueError if it is no JSON, has a number that is none, or is nested more than `deepest` levels, and
    DuplicateKey: a reader that knows lines will say where.
    """
    try:
        value = json.loads(text, object_pairs_hook=_members, parse_constant=_no_number, parse_float=_number)
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc
    layer = [value]
    for _ in range(deepest + 1):
        layer = [inner for outer in layer for inner in _inside(outer)]
        if not layer:
            return value
    raise ValueError("nested too deep")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateKey(next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index])))
    return members


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()

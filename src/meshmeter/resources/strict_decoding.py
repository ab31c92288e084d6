"""Strict decoding: untyped documents become what a model accepts, with every fault named at once.

The models say what there is; this module says how leniently it is read and how a fault is put (kuma-facts
1.1, 2.2, deviations D6):

* null is the same as absent, in a map of strings the same as an empty string;
* a port may be written as text, a boolean and a string may not be anything else;
* an unknown field is a fault, with a suggestion where the name is nearly one that exists;
* inside an `opaque` message a wrong type is reported at the message, as `could not parse config: <field>:
  <reason>`, an unknown value of a field of few values at the field.

What comes out is accepted by the model as it is. A part that is at fault is left out of it.
"""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin

from meshmeter.documents.faults import UNREADABLE
from meshmeter.resources import paths, syntax
from meshmeter.resources.base import Lines, Model
from meshmeter.resources.faults import Faults

DEEPEST = 64
"""Levels of nesting in a part that is kept as it is."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that no value of a single line may contain."""
CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""The same where several lines are allowed."""

_LARGEST = 2**63 - 1
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Reading:
    """How one model is read from here on."""

    faults: Faults
    opaque_at: str | None = None
    """Path of the opaque message that is being read."""
    ignore_unknown: bool = False

    def wrong(self, path: str, reason: str) -> None:
        """A value of the wrong type."""
        if self.opaque_at is None:
            self.faults.add(path, reason)
            return
        inner = path[len(self.opaque_at) :].lstrip(".")
        where = f"{inner}: " if inner else ""
        self.faults.add(path, f"{UNREADABLE}{where}{reason}", report_at=self.opaque_at)


_Reader = Callable[[object, str, Reading], Any]


def conform(
    model: type[Model],
    data: object,
    path: str,
    faults: Faults,
    *,
    also_known: tuple[str, ...] = (),
    ignore_unknown: bool = False,
) -> dict[str, Any]:
    """The fields of `data` that `model` accepts, by their names on the wire. Faults are added to `faults`.

    `also_known` are names beside the model's own that an unknown one may have been meant to be. With
    `ignore_unknown` unknown fields are left out silently.
    """
    reading = Reading(faults, ignore_unknown=ignore_unknown)
    return _message(model, data, path, reading, also_known)


def unknown_field(name: str, known: tuple[str, ...]) -> str:
    """The reason for refusing a field, with the name that was probably meant."""
    meant = suggestion(name, known)
    return f'unknown field, did you mean "{meant}"?' if meant else "unknown field"


def suggestion(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that is nearest to this one, if any is near; case, `_` and `-` do not count."""
    plain = {re.sub("[-_]", "", name).lower(): name for name in known}
    wanted = re.sub("[-_]", "", word[:64]).lower()
    near = get_close_matches(wanted, plain, 1, 0.6)
    return plain[near[0]] if near else None


def show(value: object) -> str:
    """A value of the user's, short and safe to print."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value if len(value) <= 40 else value[:40] + "...")
        case int() if abs(value) > _LARGEST:
            return "a very large number"
        case int() | float():
            return str(value)
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
    return f"a {type(value).__name__}"


@cache
def _fields(model: type[Model]) -> dict[str, _Reader]:
    """The readers of a model's fields, by their names on the wire."""
    return {field.alias or name: _reader(field.annotation) for name, field in model.model_fields.items()}


def _reader(annotation: Any) -> _Reader:
    """How a value of this annotation is read."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        return _reader(inner)
    if origin is tuple:
        return _list_of(_reader(arguments[0]), get_origin(arguments[0]) or arguments[0])
    if origin is dict:
        return _strings if arguments[1] is str else _mapping
    if hasattr(annotation, "__metadata__"):
        lines = next((mark for mark in annotation.__metadata__ if isinstance(mark, Lines)), None)
        return _text_of(lines.longest, CONTROL_IN_TEXT) if lines else _reader(annotation.__origin__)
    if issubclass(annotation, Model):
        return _message_of(annotation)
    if issubclass(annotation, StrEnum):
        return _choice_of(annotation)
    return {str: _string, int: _integer, bool: _boolean}[annotation]


def _message_of(model: type[Model]) -> _Reader:
    return lambda value, path, reading: _message(model, value, path, reading)


def _message(
    model: type[Model], value: object, path: str, reading: Reading, also_known: tuple[str, ...] = ()
) -> dict[str, Any]:
    if model.opaque:
        reading = Reading(reading.faults, opaque_at=path, ignore_unknown=reading.ignore_unknown)
    if not isinstance(value, Mapping):
        reading.wrong(path, f"must be a mapping, got {show(value)}")
        return {}
    readers = _fields(model)
    read: dict[str, Any] = {}
    for name, content in value.items():
        if reading.faults.full:
            break
        if not isinstance(name, str):
            reading.wrong(path, f"names of fields must be strings, got {show(name)}")
        elif name not in readers:
            if not reading.ignore_unknown:
                known = (*readers, *also_known)
                reading.faults.add(paths.child(path, name), unknown_field(name, known))
        elif content is not None:
            inner = readers[name](content, paths.child(path, name), reading)
            if inner is not None:
                read[name] = inner
    return read


def _list_of(read: _Reader, empty: Callable[[], object]) -> _Reader:
    def _list(value: object, path: str, reading: Reading) -> list[Any] | None:
        if not isinstance(value, list | tuple):
            reading.wrong(path, f"must be a list, got {show(value)}")
            return None
        items = (read(content, paths.item(path, i), reading) for i, content in enumerate(value))
        # A faulty item leaves its place filled, so that the paths of its neighbours stay right.
        return [empty() if content is None else content for content in items]

    return _list


def _choice_of(choices: type[StrEnum]) -> _Reader:
    known = tuple(choice.value for choice in choices)

    def _choice(value: object, path: str, reading: Reading) -> str | None:
        if isinstance(value, str) and value in known:
            return value
        listed = ", ".join(f'"{word}"' for word in known)
        meant = suggestion(value, known) if isinstance(value, str) else None
        hint = f', did you mean "{meant}"?' if meant else ""
        # Of the content rather than of the form: named where it is, also inside an opaque message.
        reading.faults.add(path, f"unknown value {show(value)}, must be one of {listed}{hint}")
        return None

    return _choice


def _text_of(longest: int, refused: re.Pattern[str]) -> _Reader:
    def _text(value: object, path: str, reading: Reading) -> str | None:
        if not isinstance(value, str):
            quote = ": write it in quotes" if isinstance(value, bool | int | float) else ""
            reading.wrong(path, f"must be a string, got {show(value)}{quote}")
        elif len(value) > longest:
            reading.faults.add(path, syntax.TOO_LONG.format(longest))
        elif refused.search(value):
            reading.faults.add(path, "must not contain control characters")
        else:
            return value
        return None

    return _text


_string = _text_of(syntax.LONGEST_VALUE, CONTROL)


def _integer(value: object, path: str, reading: Reading) -> int | None:
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        return value
    reading.wrong(path, f"must be a whole number, got {show(value)}")
    return None


def _boolean(value: object, path: str, reading: Reading) -> bool | None:
    if isinstance(value, bool):
        return value
    reading.wrong(path, f"must be true or false, got {show(value)}")
    return None


def _strings(value: object, path: str, reading: Reading) -> dict[str, str] | None:
    if not isinstance(value, Mapping):
        reading.wrong(path, f"must be a mapping of strings, got {show(value)}")
        return None
    read = {}
    for name, content in value.items():
        if reading.faults.full:
            break
        if not isinstance(name, str):
            reading.wrong(path, f"keys must be strings, got {show(name)}: write it in quotes")
            continue
        at = paths.key(path, name)
        if CONTROL.search(name):
            reading.faults.add(at, "must not contain control characters")
            continue
        text = "" if content is None else _string(content, at, reading)
        read[name] = text or ""
    return read


def _mapping(value: object, path: str, reading: Reading) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        kept: dict[str, Any] | None = _payload(value, path, reading)
        return kept
    reading.wrong(path, f"must be a mapping, got {show(value)}")
    return None


def _payload(value: object, path: str, reading: Reading, depth: int = 0) -> Any:
    """A part that is kept as it is: plain JSON without nulls in mappings and without control characters."""
    if depth > DEEPEST:
        reading.wrong(path, f"must not be nested more than {DEEPEST} levels deep")
        return None
    if isinstance(value, Mapping):
        kept = {}
        for name, content in value.items():
            if not isinstance(name, str):
                reading.wrong(path, f"names of fields must be strings, got {show(name)}: write it in quotes")
            elif CONTROL.search(name):
                reading.faults.add(paths.key(path, name), "must not contain control characters")
            elif content is not None:
                kept[name] = _payload(content, paths.child(path, name), reading, depth + 1)
        return kept
    if isinstance(value, list | tuple):
        return [_payload(content, paths.item(path, i), reading, depth + 1) for i, content in enumerate(value)]
    if isinstance(value, str):
        if CONTROL_IN_TEXT.search(value):
            reading.faults.add(path, "must not contain control characters")
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    reading.wrong(path, f"must be plain JSON, got {show(value)}")
    return None

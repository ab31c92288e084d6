"""One YAML document turned into plain JSON values, from the parser's events.

YAML 1.1 as PyYAML resolves it, but: dates stay strings, tags other than those of plain JSON are refused, as are
numbers of base 60, keys are strings and occur once, nesting and the growth through aliases are limited. A number with
a leading zero is a warning: YAML 1.1 takes it for octal. Faults carry line and column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

DEEPEST = 64
"""Levels of nesting."""
MOST_ALIASED_VALUES = 10_000
"""Values that a document may gain by repeating anchored parts through aliases."""
MOST_FAULTS = 100
"""Per document."""
_LONGEST_NUMBER = 64

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""LibYAML's, where PyYAML was built with it."""

_LEADING_ZERO = re.compile(r"[+-]?0[0-9_]+")

_TAG = "tag:yaml.org,2002:"
_NUMBERS = (_TAG + "int", _TAG + "float")
_SAME_AS_STRING = frozenset(_TAG + name for name in ("str", "timestamp", "value"))


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the text, or something to warn of. Line and column count from 1."""

    line: int
    column: int
    """0 if unknown."""
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a text."""

    value: Any
    """None if there is nothing; with faults it is not to be used."""
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


class _Refused(Exception):
    """The document cannot be read further."""

    def __init__(self, mark: Any, reason: str):
        self.mark, self.reason = mark, reason
        super().__init__(reason)


class _NestedTooDeep(_Refused):
    """There are more than DEEPEST levels."""


@dataclass(frozen=True, slots=True)
class _Value:
    content: Any
    size: int
    """Number of values in it, itself included, with aliases expanded."""
    mark: Any
    """Where it begins."""
    merges: bool = False
    """True for the plain key `<<`."""


def read_value(text: str, *, first_line: int = 1) -> Reading:
    """The one value in `text`. `first_line` is the number of the text's first line in the file that it is from."""
    reader = _Reader(LOADER(text), first_line)
    try:
        value = reader.document()
    except _Refused as refused:
        reader.fault(refused.mark, refused.reason)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        deep = _nested_too_deep(text[: mark.index], first_line) if mark else None
        if deep is not None:
            return Reading(None, (deep,))
        said = ", ".join(part for part in (error.problem, error.context) if part)
        reader.fault(mark, f"is not valid YAML: {said}")
    except yaml.YAMLError as error:
        reader.fault(None, f"is not valid YAML: {str(error).splitlines()[0]}")
    else:
        return Reading(value, tuple(reader.faults), tuple(reader.warnings))
    finally:
        reader.loader.dispose()
    return Reading(None, tuple(reader.faults))


def _nested_too_deep(beginning: str, first_line: int) -> Fault | None:
    """The fault of a text whose beginning is nested too deep.

    Scanners read ahead, and some have a limit of nesting that they meet before ours is seen, so what is in front
    of the place at which one of them stopped is read once more.
    """
    reader = _Reader(LOADER(beginning), first_line)
    try:
        reader.document()
    except _NestedTooDeep as refused:
        reader.fault(refused.mark, refused.reason)
        return reader.faults[-1]
    except (_Refused, yaml.YAMLError):
        return None
    finally:
        reader.loader.dispose()
    return None


class _Reader:
    """Reads the events of one document. Used once."""

    def __init__(self, loader: Any, first_line: int):
        self.loader = loader
        # Typed loosely: the stubs know neither events nor `resolve` of the C loader.
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self._first_line = first_line
        self._numbers = SafeConstructor()
        self._anchors: dict[str, _Value | None] = {}
        """None while the anchored part itself is still being read."""
        self._aliased = 0

    def fault(self, mark: Any, reason: str) -> None:
        self._note(self.faults, mark, reason)

    def _note(self, notes: list[Fault], mark: Any, reason: str) -> None:
        if len(notes) < MOST_FAULTS:
            line, column = (mark.line, mark.column + 1) if mark else (0, 0)
            notes.append(Fault(self._first_line + line, column, reason))

    def document(self) -> Any:
        self.loader.get_event()
        if self.loader.check_event(yaml.StreamEndEvent):
            return None
        self.loader.get_event()
        value = self._value(self.loader.get_event(), 0)
        self.loader.get_event()
        if not self.loader.check_event(yaml.StreamEndEvent):
            raise _Refused(self.loader.get_event().start_mark, "more follows after the end of the document")
        return value.content

    def _value(self, event: Any, depth: int) -> _Value:
        mark = event.start_mark
        if depth > DEEPEST:
            raise _NestedTooDeep(mark, f"is nested more than {DEEPEST} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._refuse_tag(event, "seq")
            items = [self._value(inner, depth + 1) for inner in self._until(yaml.SequenceEndEvent)]
            value = _Value([i.content for i in items], 1 + sum(i.size for i in items), mark)
        else:
            self._refuse_tag(event, "map")
            value = self._mapping(mark, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _until(self, end: type[Any]) -> Iterator[Any]:
        while not isinstance(event := self.loader.get_event(), end):
            yield event

    def _alias(self, event: Any) -> _Value:
        if event.anchor not in self._anchors:
            raise _Refused(event.start_mark, f'alias "{event.anchor[:64]}" refers to nothing')
        value = self._anchors[event.anchor]
        if value is None:
            raise _Refused(event.start_mark, f'alias "{event.anchor[:64]}" refers to a part that it is in')
        self._aliased += value.size
        if self._aliased > MOST_ALIASED_VALUES:
            reason = f"aliases repeat more than {MOST_ALIASED_VALUES} values: write the document out"
            raise _Refused(event.start_mark, reason)
        return _Value(value.content, value.size, event.start_mark)

    def _mapping(self, mark: Any, depth: int) -> _Value:
        content: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        size = 1
        for event in self._until(yaml.MappingEndEvent):
            name = self._value(event, depth + 1)
            value = self._value(self.loader.get_event(), depth + 1)
            size += 1 + value.size
            if name.merges:
                self._merge(merged, value)
            elif not isinstance(name.content, str):
                self.fault(name.mark, "keys must be strings: write this one in quotes")
            elif name.content in lines:
                first = lines[name.content]
                self.fault(name.mark, f'duplicate key "{name.content[:64]}", first given in line {first}')
            else:
                lines[name.content] = name.mark.line + self._first_line
                content[name.content] = value.content
        return _Value({**merged, **content}, size, mark)

    def _merge(self, merged: dict[str, Any], value: _Value) -> None:
        """Earlier mappings win over later ones, as the YAML merge key says."""
        for source in value.content if isinstance(value.content, list) else [value.content]:
            if not isinstance(source, dict):
                self.fault(value.mark, "<< must refer to a mapping, or a list of mappings")
                return
            for name, content in source.items():
                merged.setdefault(name, content)

    def _scalar(self, event: Any) -> _Value:
        tag, text, mark = event.tag, event.value, event.start_mark
        if tag is None or tag == "!":
            tag = self.loader.resolve(yaml.ScalarNode, text, event.implicit)
        if tag == _TAG + "merge":
            return _Value("<<", 1, mark, merges=True)
        if tag in _SAME_AS_STRING:
            if event.implicit[0] and _LEADING_ZERO.fullmatch(text):
                reason = f"{text[:40]} has a leading zero and is read as text: put it in quotes, or leave out the zero"
                self._note(self.warnings, mark, reason)
            return _Value(text, 1, mark)
        if tag == _TAG + "null":
            return _Value(None, 1, mark)
        if tag in _NUMBERS and ":" in text:
            # 1:34:30 is 5670 in YAML 1.1 and text for every other reader.
            self.fault(
                mark, f'"{text[:40]}" is a number of base 60 in old YAML: write it in quotes, or in decimal'
            )
            return _Value(text, 1, mark)
        try:
            value = self._plain(tag, text, event)
            if event.implicit[0] and _LEADING_ZERO.fullmatch(text):
                self._leading_zero(mark, text, value)
            return _Value(value, 1, mark)
        except (ValueError, OverflowError, KeyError, IndexError, ConstructorError):
            raise _Refused(mark, f'"{text[:40]}" is not a usable {tag.removeprefix(_TAG)[:40]}') from None

    def _leading_zero(self, mark: Any, text: str, value: Any) -> None:
        reason = f"{text[:40]} has a leading zero and is read as octal, {value}: write {value}, or put it in quotes"
        self._note(self.warnings, mark, reason)

    def _plain(self, tag: str, text: str, event: Any) -> Any:
        node = yaml.ScalarNode(tag, text)
        if tag == _TAG + "bool":
            return self._numbers.construct_yaml_bool(node)
        if tag not in _NUMBERS:
            self._refuse_tag(event, "str")
        if len(text) > _LONGEST_NUMBER:
            raise ValueError
        if tag == _TAG + "int":
            return self._numbers.construct_yaml_int(node)
        number = self._numbers.construct_yaml_float(node)
        if not math.isfinite(number):
            raise ValueError
        return number

    def _refuse_tag(self, event: Any, plain: str) -> None:
        if event.tag not in (None, "!", _TAG + plain):
            raise _Refused(event.start_mark, f'tag "{event.tag[:64]}" is not supported')

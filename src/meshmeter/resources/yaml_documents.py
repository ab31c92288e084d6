"""Text with one or several documents, YAML or JSON, taken apart and read document by document.

Documents are separated by `---` before they are parsed: a line that begins so cannot be anything else in
YAML, and a faulty document then costs only itself, so that all faulty ones are named at once. JSON is read
as the YAML that it is, or, where YAML 1.1 knows less than JSON, as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources.yaml_values import MOST_FAULTS, Fault, read_value

LARGEST_DOCUMENT = 1024 * 1024
"""Bytes in UTF-8."""

_MARKER = re.compile(r"^(?:---|\.\.\.)(?=[ \t\n]|\Z)", re.MULTILINE)
_NOTHING = re.compile(
    r"(?:[ \t]*(?:#[^\n]*)?(?:\n|\Z)|%[^\n]*(?:\n|\Z)|(?:---|\.\.\.)[ \t]*(?:#[^\n]*)?(?:\n|\Z))*"
)
_NOT_PRINTABLE = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Document:
    """One document as written, before anything is known of its kind."""

    data: dict[str, Any]
    origin: str
    """Name of the file, or whatever the caller calls the text."""
    index: int
    """Its number among the documents of the text, from 0; empty ones do not count."""
    line: int
    """The line at which it begins, from 1."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text contains: the readable documents, and what is wrong with the others."""

    documents: tuple[Document, ...]
    faults: tuple[Violation, ...]


def parse_documents(text: str | bytes, *, origin: str) -> list[Document]:
    """The documents of a text, empty ones left out.

    Raises InvalidResource with the faults of all documents; each is at `origin:line:column`.
    """
    parsed = read_documents(text, origin=origin)
    if parsed.faults:
        raise InvalidResource(parsed.faults, f"{origin} cannot be read")
    return list(parsed.documents)


def read_documents(text: str | bytes, *, origin: str) -> Parsed:
    """Like `parse_documents`, but the readable documents come beside the faults of the others."""
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            return Parsed((), (Violation(f"{origin}:{line}", "is not text in UTF-8"),))
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    documents: list[Document] = []
    faults: list[Violation] = []
    index = 0
    for first_line, part in _parts(text):
        value, found = _read(part, first_line)
        if value is not None or found:
            if not found and not isinstance(value, dict):
                found = [
                    Fault(
                        first_line,
                        0,
                        f"a document must be a mapping with type, name and so on, not {_name(value)}",
                    )
                ]
            if found:
                faults += [_violation(origin, fault) for fault in found]
            else:
                documents.append(Document(value, origin, index, first_line))
            index += 1
    return Parsed(tuple(documents), tuple(faults))


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Each document's first line (of its content, not its marker) and text."""
    begin, line = 0, 1
    for cut in [*(marker.start() for marker in _MARKER.finditer(text)), len(text)]:
        part = text[begin:cut]
        nothing = _NOTHING.match(part)
        skipped = nothing.end() if nothing else 0
        if skipped < len(part):
            # Only whole lines are skipped, so the columns of what is left stay right. A marker with content
            # on its own line stays in front of it.
            yield line + part.count("\n", 0, skipped), part[skipped:]
        line += part.count("\n")
        begin = cut


def _read(text: str, first_line: int) -> tuple[Any, list[Fault]]:
    if len(text) > LARGEST_DOCUMENT or len(text.encode(errors="replace")) > LARGEST_DOCUMENT:
        return None, [
            Fault(first_line, 0, f"a document may not be larger than {LARGEST_DOCUMENT // 1024} KiB")
        ]
    bad = _NOT_PRINTABLE.search(text)
    if bad is not None:
        line = first_line + text.count("\n", 0, bad.start())
        column = bad.start() - text.rfind("\n", 0, bad.start())
        return None, [Fault(line, column, f"character U+{ord(bad[0]):04X} is not allowed")]
    value, faults = read_value(text, first_line=first_line)
    if value is None and faults and text.startswith("{"):
        return _read_json(text, first_line) or (None, faults)
    return value, faults


def _read_json(text: str, first_line: int) -> tuple[Any, list[Fault]] | None:
    """The value and its faults, or None if the text is no JSON either."""
    duplicates: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for name, value in pairs:
            if name in content:
                duplicates.append(name)
            content[name] = value
        return content

    def no_number(text: str) -> NoReturn:
        raise ValueError(text)

    try:
        value = json.loads(text, object_pairs_hook=members, parse_constant=no_number)
    except (ValueError, RecursionError):
        return None
    return value, [Fault(first_line, 0, f'duplicate key "{name[:64]}"') for name in duplicates[:MOST_FAULTS]]


def _violation(origin: str, fault: Fault) -> Violation:
    column = f":{fault.column}" if fault.column else ""
    return Violation(f"{origin}:{fault.line}{column}", fault.reason)


def _name(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"

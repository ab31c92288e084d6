"""Text with one or several documents, YAML or JSON, taken apart and read document by document.

Documents are separated by `---` before they are parsed: a line that begins so cannot be anything else in YAML, and a
faulty document then costs only itself, so that all faulty ones are named at once. A list of documents (`forms`) is as
many documents. JSON is read as JSON, and as the YAML that it nearly is where that says better what is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from meshmeter.documents.encoding import decode
from meshmeter.documents.forms import Item, documents_of, is_cut_short
from meshmeter.documents.json_text import DuplicateKey, read_json
from meshmeter.documents.places import Places
from meshmeter.documents.values import DEEPEST, Fault, Reading, read_value
from meshmeter.errors import InvalidResource, Violation

LARGEST_DOCUMENT = 1 << 20
"""Bytes of one document in UTF-8."""

LARGEST_TEXT = 64 << 20
"""Bytes of a text, and of a list of documents, in UTF-8."""

BYTE_ORDER_MARK = "\ufeff"

_MARKER = re.compile(r"^(?:---|\.\.\.)(?=[ \t\n]|\Z)", re.MULTILINE)
_NOTHING = re.compile(
    r"(?:\ufeff?[ \t]*(?:#[^\n]*)?(?:\n|\Z)|%[^\n]*(?:\n|\Z)|(?:---|\.\.\.)[ \t]*(?:#[^\n]*)?(?:\n|\Z))*"
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
    places: Places = field(repr=False, compare=False)
    path: str = ""
    """Where it is in a list of documents, `items[3]`."""

    @property
    def line(self) -> int:
        """The line at which it begins, from 1."""
        return self.places.line(self.path)

    def line_of(self, path: str) -> int:
        """The line of one of its fields, or of the innermost part around it that is there."""
        dot = "." if self.path and path and not path.startswith("[") else ""
        return self.places.line(f"{self.path}{dot}{path}")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text contains: the readable documents, and what is wrong with the others."""

    documents: tuple[Document, ...]
    faults: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()
    """What was read but probably means something else than it says; each at `origin:line:column`."""


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
    if len(text) > LARGEST_TEXT:
        return Parsed((), (Violation(origin, f"may not be larger than {LARGEST_TEXT >> 20} MiB"),))
    if isinstance(text, bytes):
        try:
            text = decode(text, origin=origin)
        except InvalidResource as exc:
            return Parsed((), exc.violations)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    documents: list[Document] = []
    faults: list[Violation] = []
    warnings: list[Violation] = []
    index = 0
    for first_line, part in _parts(text):
        reading = _read(part, first_line)
        faults += (_violation(origin, fault) for fault in reading.faults)
        warnings += (_violation(origin, warning) for warning in reading.warnings)
        if reading.faults:
            index += 1
        elif reading.value is not None:
            places = Places(part, first_line)
            if is_cut_short(reading.value):
                reason = "this is one page of a list that goes on at `next`: get all of it"
                warnings.append(Violation(f"{origin}:{places.line('next')}", reason))
            small = len(part) * 4 <= LARGEST_DOCUMENT
            for item in documents_of(reading.value):
                document = Document(item.data, origin, index, places, item.path)
                unusable = _unusable(item, part, small=small)
                if unusable is None:
                    documents.append(document)
                else:
                    faults.append(Violation(f"{origin}:{document.line}", unusable))
                index += 1
    return Parsed(tuple(documents), tuple(faults), tuple(warnings))


def _unusable(item: Item, text: str, *, small: bool) -> str | None:
    """Why an item cannot be a document."""
    if not isinstance(item.data, dict):
        return f"a document must be a mapping with type, name and so on, not {_name(item.data)}"
    if not small:
        written = json.dumps(item.data, ensure_ascii=False) if item.path else text
        if _bytes(written) > LARGEST_DOCUMENT:
            return f"a document may not be larger than {LARGEST_DOCUMENT // 1024} KiB"
    return None


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Each document's first line (of its content, not its marker) and text."""
    # Files that were joined to one bring their byte order marks along.
    text = text.removeprefix(BYTE_ORDER_MARK).replace(f"\n{BYTE_ORDER_MARK}---", "\n---")
    begin, line = 0, 1
    for cut in [*(marker.start() for marker in _MARKER.finditer(text)), len(text)]:
        part = text[begin:cut]
        nothing = _NOTHING.match(part)
        skipped = nothing.end() if nothing else 0
        if skipped < len(part):
            # Only whole lines are skipped, so the columns of what is left stay right. A marker with content
            # on its own line stays in front of it.
            yield line + part.count("\n", 0, skipped), part[skipped:].removeprefix(BYTE_ORDER_MARK)
        line += part.count("\n")
        begin = cut


def _read(text: str, first_line: int) -> Reading:
    if _bytes(text) > LARGEST_TEXT:
        return Reading(None, (Fault(first_line, 0, f"may not be larger than {LARGEST_TEXT >> 20} MiB"),))
    bad = _NOT_PRINTABLE.search(text)
    if bad is not None:
        line = first_line + text.count("\n", 0, bad.start())
        column = bad.start() - text.rfind("\n", 0, bad.start())
        return Reading(None, (Fault(line, column, f"character U+{ord(bad[0]):04X} is not allowed"),))
    if not text.startswith(("{", "[")):
        return read_value(text, first_line=first_line)
    try:
        return Reading(read_json(text, deepest=DEEPEST))
    except DuplicateKey as duplicate:
        reading = read_value(text, first_line=first_line)
        if reading.value is not None:
            return reading
        return Reading(None, (Fault(first_line, 0, f'duplicate key "{str(duplicate)[:64]}"'),))
    except ValueError:
        return read_value(text, first_line=first_line)


def _violation(origin: str, fault: Fault) -> Violation:
    column = f":{fault.column}" if fault.column else ""
    return Violation(f"{origin}:{fault.line}{column}", fault.reason)


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))


def _name(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"

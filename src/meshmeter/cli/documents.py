"""The documents that `apply` and `validate` are given: files, directories, standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meshmeter.agent.variables import NAME, substitute
from meshmeter.errors import InvalidResource, SettingsError, Violation
from meshmeter.resources.codec import Document, decode, read_documents
from meshmeter.resources.resource import AnyResource, Key

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """Everything that was read."""

    documents: tuple[Document, ...]
    faults: tuple[Violation, ...]
    """Of the documents that cannot be read."""

    def place(self, index: int) -> str:
        """Where the document is, `file.yaml:12`."""
        document = self.documents[index]
        return f"{document.origin}:{document.line}"

    def split(self, belongs: Callable[[Document], bool]) -> tuple[Input, Input]:
        """The documents for which `belongs` holds, and the others."""
        first = tuple(document for document in self.documents if belongs(document))
        others = tuple(document for document in self.documents if not belongs(document))
        return Input(first, ()), Input(others, self.faults)

    def decoded(self) -> tuple[list[tuple[str, AnyResource]], list[Violation]]:
        """The valid resources, each with its place, and every fault: of reading, of content, of repetition."""
        faults = list(self.faults)
        resources: list[tuple[str, AnyResource]] = []
        first: dict[Key, str] = {}
        for index, document in enumerate(self.documents):
            place = self.place(index)
            try:
                resource = decode(document.data, where=f"{place}: ")
            except InvalidResource as exc:
                faults += exc.violations
                continue
            other = first.setdefault(resource.key, place)
            if other != place:
                faults.append(Violation(f"{place}: name", f"{resource.key} is also in {other}: keep one"))
            resources.append((place, resource))
        return resources, faults

    def located(self, found: Iterable[Violation]) -> list[Violation]:
        """Faults of a batch, `documents[i].field`, as faults of files, `file.yaml:12: field`."""
        return [Violation(self._rename(v.field, ": "), self._rename(v.reason, "")) for v in found]

    def _rename(self, text: str, separator: str) -> str:
        def place(match: re.Match[str]) -> str:
            index = int(match[1])
            if index >= len(self.documents):
                return match[0]
            return self.place(index) + (separator if match[2] else "")

        return re.sub(r"documents\[(\d{1,6})\](\.?)", place, text)


def read_input(names: Sequence[str], variables: Sequence[str] | None) -> Input:
    """Read everything. Raises SettingsError for a file that cannot be opened or a variable that is none."""
    values = read_variables(variables or ())
    documents: list[Document] = []
    faults: list[Violation] = []
    for name in names:
        for origin, content in _contents(name):
            try:
                text = _substituted(content, values, origin) if values else content
            except InvalidResource as exc:
                faults += exc.violations
                continue
            parsed = read_documents(text, origin=origin)
            documents += parsed.documents
            faults += parsed.faults
    return Input(tuple(documents), tuple(faults))


def read_variables(given: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` pairs. Raises SettingsError."""
    values = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not NAME.fullmatch(name):
            raise SettingsError(f"--var {pair!r}: write NAME=VALUE")
        values[name] = value
    return values


def _contents(name: str) -> list[tuple[str, bytes]]:
    """Origin and content of every file that `name` stands for."""
    if name == STDIN:
        return [("stdin", sys.stdin.buffer.read())]
    path = Path(name)
    try:
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
        else:
            files = [path]
        return [(str(file), file.read_bytes()) for file in files]
    except OSError as exc:
        raise SettingsError(f"--file {exc.filename or name}: {exc.strerror}") from exc


def _substituted(content: bytes, values: Mapping[str, str], origin: str) -> bytes:
    """Raises InvalidResource with the places `file.yaml:3`."""
    try:
        return substitute(content.decode(), values).encode()
    except UnicodeDecodeError:
        return content  # reading it names the place
    except InvalidResource as exc:
        places = [Violation(f"{origin}:{v.field.removeprefix('line ')}", v.reason) for v in exc.violations]
        raise InvalidResource(places, exc.title) from exc

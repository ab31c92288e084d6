"""The documents that `apply` and `validate` are given: files, directories, standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meshmeter.agent.variables import NAME, substitute
from meshmeter.documents.encoding import decode as decode_text
from meshmeter.documents.faults import located
from meshmeter.documents.reader import LARGEST_TEXT, Document, read_documents
from meshmeter.errors import InvalidResource, SettingsError, Violation
from meshmeter.files import read_given
from meshmeter.resources import secret
from meshmeter.resources.codec import decode
from meshmeter.resources.resource import AnyResource, Key

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """Everything that was read."""

    documents: tuple[Document, ...]
    faults: tuple[Violation, ...]
    """Of the documents that cannot be read."""
    warnings: tuple[Violation, ...] = ()
    """Of the text, such as numbers with leading zeros."""

    def place(self, index: int, path: str = "") -> str:
        """Where the document is, or one of its fields: `file.yaml:12`."""
        document = self.documents[index]
        return f"{document.origin}:{document.line_of(path)}"

    def split(self, belongs: Callable[[Document], bool]) -> tuple[Input, Input]:
        """The documents for which `belongs` holds, and the others."""
        first = tuple(document for document in self.documents if belongs(document))
        others = tuple(document for document in self.documents if not belongs(document))
        return Input(first, ()), Input(others, self.faults, self.warnings)

    def checked(self) -> tuple[list[Checked], list[Violation]]:
        """The valid resources and secrets, and every fault: of reading, of content, of repetition."""
        faults = list(self.faults)
        valid: list[Checked] = []
        first: dict[Key, int] = {}
        for index, document in enumerate(self.documents):
            try:
                checked = _check(index, document)
            except InvalidResource as exc:
                faults += located(document, exc.violations)
                continue
            other = first.setdefault(checked.key, index)
            if other != index:
                reason = f"{checked.key} is also in {self.place(other)}: keep one"
                faults += located(document, [Violation("name", reason)])
            valid.append(checked)
        return valid, faults

    def located(self, found: Iterable[Violation]) -> list[Violation]:
        """Faults of a batch, `documents[i].field`, as faults of files, `file.yaml:12: field`."""
        placed: list[Violation] = []
        for violation in found:
            match = _OF_A_BATCH.match(violation.field)
            reason = _OF_A_BATCH.sub(self._named, violation.reason)
            if match is None or int(match[1]) >= len(self.documents):
                placed.append(Violation(violation.field, reason))
            else:
                inner = Violation(violation.field[match.end() :], reason)
                placed += located(self.documents[int(match[1])], [inner])
        return placed

    def warning(self, index: int, text: str) -> str:
        """A warning about a document, `field: reason`, with its place."""
        field, colon, reason = text.partition(": ")
        return f"{self.place(index, field)}: {field}{colon}{reason}"

    def _named(self, match: re.Match[str]) -> str:
        index = int(match[1])
        return self.place(index) if index < len(self.documents) else match[0]


@dataclass(frozen=True, slots=True)
class Checked:
    """A valid document."""

    index: int
    key: Key
    resource: AnyResource | None
    """None for a secret."""


_OF_A_BATCH = re.compile(r"documents\[(\d{1,6})\]\.?")


def is_secret(document: Document) -> bool:
    """Whether a document is a secret of a mesh, which is kept apart from the resources."""
    return document.data.get("type") == secret.KIND


def _check(index: int, document: Document) -> Checked:
    """Raises InvalidResource."""
    if is_secret(document):
        mesh, name = secret.identity(document.data)
        secret.read_secret(document.data, mesh, name)
        return Checked(index, Key(secret.KIND, mesh, name), None)
    resource = decode(document.data)
    return Checked(index, resource.key, resource)


def read_input(names: Sequence[str], variables: Sequence[str] | None) -> Input:
    """Read everything. Raises SettingsError for a file that cannot be opened or a variable that is none."""
    values = read_variables(variables or ())
    documents: list[Document] = []
    faults: list[Violation] = []
    warnings: list[Violation] = []
    for name in names:
        for origin, content in _contents(name):
            try:
                text = _text(content, values, origin)
            except InvalidResource as exc:
                faults += exc.violations
                continue
            parsed = read_documents(text, origin=origin)
            documents += parsed.documents
            faults += parsed.faults
            warnings += parsed.warnings
    return Input(tuple(documents), tuple(faults), tuple(warnings))


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
        return [("stdin", sys.stdin.buffer.read(LARGEST_TEXT + 1))]  # one more, which its reader refuses
    path = Path(name)
    try:
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
        else:
            files = [path]
        return [(str(file), read_given(file, LARGEST_TEXT)) for file in files]
    except OSError as exc:
        raise SettingsError(f"--file {exc.filename or name}: {exc.strerror}") from exc


def _text(content: bytes, values: Mapping[str, str], origin: str) -> str:
    """The text of a file with its variables put in. Raises InvalidResource with the places `file.yaml:3`."""
    text = decode_text(content, origin=origin)
    if not values:
        return text
    try:
        return substitute(text, values)
    except InvalidResource as exc:
        places = [Violation(f"{origin}:{v.field.removeprefix('line ')}", v.reason) for v in exc.violations]
        raise InvalidResource(places, exc.title) from exc

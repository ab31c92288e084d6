"""Faults of fields, told by paths, as faults of the text that the document was read from."""

from __future__ import annotations

import re
from collections.abc import Iterable

from meshmeter.documents.reader import Document
from meshmeter.errors import Violation

UNREADABLE = "could not parse config: "
"""Begins the reason of a fault in a message that is reported at the message itself; what follows is the field's path
in it, and the reason (kuma-facts 2.2)."""

_INNER = re.compile(re.escape(UNREADABLE) + r'((?:[^\s:"]|"(?:[^"\\]|\\.)*")+): ')


def exact_path(violation: Violation) -> str:
    """The path of the field that is at fault, also where the violation names the message around it."""
    inner = _INNER.match(violation.reason)
    if inner is None:
        return violation.field
    dot = "" if inner[1].startswith("[") else "."
    return f"{violation.field}{dot}{inner[1]}"


def located(document: Document, found: Iterable[Violation]) -> list[Violation]:
    """Faults of a document as faults of its text: `mesh.yaml:12: spec.metrics.backends[0].type`."""
    placed = []
    for violation in found:
        place = f"{document.origin}:{document.line_of(exact_path(violation))}"
        placed.append(
            Violation(f"{place}: {violation.field}" if violation.field else place, violation.reason)
        )
    return placed

"""Faults while they are collected: in order, with the places that are already known to be wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from meshmeter.errors import Violation
from meshmeter.resources import paths

MOST_FAULTS = 200
"""Per document; nobody reads more, and a hostile document must not make an answer larger than itself."""


@dataclass(slots=True)
class Faults:
    """The faults of one document so far."""

    violations: list[Violation] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    """The exact path of every fault of form, also where a violation names an outer message."""

    @property
    def full(self) -> bool:
        return len(self.violations) > MOST_FAULTS

    def add(self, path: str, reason: str, *, report_at: str | None = None) -> None:
        """Add a fault of form at `path`. With `report_at` the violation names that field instead."""
        if not self.full:
            self.places.append(path)
            self._append(Violation(path if report_at is None else report_at, reason))

    def add_content(self, found: Iterable[Violation]) -> None:
        """Add faults of content, but for those at places that were already found to be malformed.

        What could not be read is missing from the model, and to report it again as missing would mislead.
        """
        known = tuple(self.places)
        for violation in found:
            if self.full:
                return
            at = violation.field
            if not any(paths.covers(place, at) or paths.covers(at, place) for place in known):
                self._append(violation)

    def _append(self, violation: Violation) -> None:
        if len(self.violations) == MOST_FAULTS:
            violation = Violation("", f"and more: only the first {MOST_FAULTS} faults are listed")
        self.violations.append(violation)

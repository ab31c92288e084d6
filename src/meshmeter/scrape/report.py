"""ScrapeReport: what one scrape was like, small enough to send to the control plane for `explain`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from meshmeter.exposition.merge import Problem

MAX_DETAIL = 200
"""Characters of foreign text that are kept."""
MAX_SOURCES = 64
MAX_PROBLEMS_BYTES = 24 << 10
"""Of the JSON of all problems of a report; those that come after are left out."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source in one scrape."""

    name: str
    up: bool
    duration: float
    """Seconds."""
    samples: int = 0
    """In the answer."""
    body_bytes: int = 0
    error: str | None = None
    """A word of `FetchError`; None if the source is up."""
    detail: str = ""
    dropped: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Samples that are not in the answer, by reason."""
    lost: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """What samples of the answer lost, by reason: `lines.LOST`."""
    problems: tuple[Problem, ...] = ()
    """The first that was dropped or lost for each reason."""
    trouble: Mapping[str, Any] | None = None
    """Of an application that is down: since when, and what becomes of its time (`circuit_breaker.Circuit.to_json`)."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "up": self.up,
            "error": self.error,
            "detail": self.detail[:MAX_DETAIL],
            "duration": round(self.duration, 6),
            "samples": self.samples,
            "bytes": self.body_bytes,
            "dropped": dict(self.dropped),
            "lost": dict(self.lost),
            "problems": [_problem(problem) for problem in self.problems],
            "trouble": dict(self.trouble) if self.trouble is not None else None,
        }


@dataclass(frozen=True, slots=True)
class ScrapeReport:
    """All sources of one scrape."""

    at: float
    """Seconds since 1970."""
    status: int
    """Of the answer."""
    config_version: str
    sources: tuple[SourceReport, ...]

    def states(self) -> dict[str, bool]:
        """Whether each source was up."""
        return {source.name: source.up for source in self.sources}

    def to_json(self) -> dict[str, Any]:
        """Bounded whatever the number of sources: at most `MAX_SOURCES`, the ones that are down first."""
        chosen = sorted(self.sources, key=lambda source: source.up)[:MAX_SOURCES]
        sources = [source.to_json() for source in self.sources if source in chosen]
        _bound(sources)
        return {
            "at": self.at,
            "status": self.status,
            "configVersion": self.config_version,
            "sources": sources,
            "omittedSources": len(self.sources) - len(chosen),
        }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"reason": problem.reason, "line": problem.line, "text": problem.text}


def _bound(sources: list[dict[str, Any]]) -> None:
    """Leave out problems until those that are left are no longer than `MAX_PROBLEMS_BYTES`."""
    left = MAX_PROBLEMS_BYTES
    for source in sources:
        kept = []
        for problem in source["problems"]:
            left -= len(json.dumps(problem))
            if left >= 0:
                kept.append(problem)
        source["problems"] = kept

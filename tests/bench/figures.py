"""One figure of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    figure: str
    """What was measured, e.g. `merge envoy 400 clusters python`."""
    value: float
    unit: str
    baseline: str | None = None
    """What `ratio` is against, measured in the same run."""
    ratio: float | None = None

"""Findings: what is wrong or remarkable about a proxy's metrics, with a stable code and a way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    """Stable, kebab-case, listed in docs/findings.md."""
    severity: Literal["refused", "warning"]
    scope: Literal["listener", "source", "proxy"]
    """What it costs: the whole endpoint, one aggregate entry, or nothing but attention."""
    message: str
    remedy: str
    field: str = ""

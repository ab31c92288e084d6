"""What `explain` says of a proxy's state: one word for its metrics, its connection, and findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meshmeter.controlplane.proxies.status import ProxyStatus, State
from meshmeter.effective.findings import FINDINGS, Finding
from meshmeter.effective.metrics import EffectiveMetrics
from meshmeter.times import rfc3339

METRICS_WORDS = ("serving", "refused", "off", "offline", "rejected")
"""What `metrics_word` says."""

MOST_EXAMPLES = 5
"""Names of proxies listed with each finding of a mesh."""


@dataclass(slots=True)
class Tally:
    """Which proxies of a mesh have a finding."""

    proxies: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.proxies += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(name)


def summary_json(code: str, tally: Tally | None = None) -> dict[str, Any]:
    """A finding of a mesh, with how many proxies have it; none do if it is of the mesh itself."""
    return {
        "code": code,
        "severity": FINDINGS[code].severity,
        "proxies": tally.proxies if tally else 0,
        "examples": tally.examples if tally else [],
        "cause": FINDINGS[code].cause,
        "remedy": FINDINGS[code].remedy,
    }


def metrics_word(effective: EffectiveMetrics | None, status: ProxyStatus) -> str:
    """`off`; `refused` where a finding forbids the listener; `offline` where no Envoy is connected, and `rejected`
    where it refused what it was sent last, so that nobody knows what is served; else `serving`."""
    if effective is None:
        return "off"
    if not effective.serves:
        return "refused"
    return "serving" if status.state is State.ONLINE else str(status.state)


def closing(effective: EffectiveMetrics | None, status: ProxyStatus) -> str | None:
    """Code of the finding that keeps the endpoint closed, or keeps Envoy from what it was sent last."""
    refused = (
        (found.code for found in effective.findings if _closes(found)) if effective is not None else iter(())
    )
    return next(refused, "listener-rejected" if status.state is State.REJECTED else None)


def _closes(found: Finding) -> bool:
    return found.severity == "refused" and found.scope == "listener"


def finding_json(found: Finding) -> dict[str, str]:
    """A finding, with the way out."""
    return {
        "code": found.code,
        "severity": found.severity,
        "scope": found.scope,
        "message": found.message,
        "remedy": found.remedy,
        "field": found.field,
    }


def status_json(status: ProxyStatus) -> dict[str, Any]:
    """The connection of a proxy: since when, what Envoy took over, what it refused last."""
    nack = status.nack
    return {
        "status": str(status.state),
        "connectedSince": time_text(status.connected_since),
        "agentVersion": status.agent_version,
        "envoyVersion": status.envoy_version,
        "acknowledged": dict(status.acknowledged),
        "nack": {"type": nack.type_url, "message": nack.message, "at": time_text(nack.at)} if nack else None,
    }


def time_text(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    if moment is None:
        return None
    return rfc3339(moment, "milliseconds")

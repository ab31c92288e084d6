"""Findings that only a running proxy shows: not connected, a refused configuration, a silent agent, a dead source.

A scrape report comes from an agent, maybe of another version: whatever in it is not as expected is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from meshmeter.controlplane.proxy_status import ProxyStatus
from meshmeter.effective.findings import Finding, finding
from meshmeter.scrape.results import FetchError

SILENCE = timedelta(minutes=3)
"""How long an agent may tell of no scrape; longer than the usual scrape intervals."""

LONGEST_TEXT = 300
"""Characters of a name or an error that are repeated in a finding."""

_SOURCE_CODES = {
    FetchError.ADDRESS.value: "source-address-refused",
    FetchError.CREDENTIALS.value: "source-file-refused",
}
"""What a source's error is called, where it is not the application's."""


def runtime_findings(status: ProxyStatus, now: datetime, *, has_endpoint: bool) -> Iterator[Finding]:
    """The findings of one proxy. Without an endpoint nobody can scrape it, so silence is no finding."""
    if status.connected_since is None:
        yield finding("proxy-not-connected", "no Envoy of this Dataplane is connected to the control plane")
        return
    if status.nack is not None:
        kind = status.nack.type_url.rpartition(".")[2]
        yield finding("listener-rejected", f"Envoy refused its {kind} configuration: {status.nack.message}")
    if not has_endpoint:
        return
    report = status.last_report
    if _silent_since(status, report) + SILENCE < now:
        minutes = int(SILENCE.total_seconds() // 60)
        yield finding("agent-not-reporting", f"no scrape was reported for more than {minutes} minutes")
    if report is not None:
        yield from _sources(report)


def _silent_since(status: ProxyStatus, report: Mapping[str, Any] | None) -> datetime:
    assert status.connected_since is not None
    try:
        received = datetime.fromisoformat(str((report or {})["received_at"]))
    except (KeyError, ValueError):
        return status.connected_since
    return received if received.tzinfo is not None else received.replace(tzinfo=UTC)


def _sources(report: Mapping[str, Any]) -> Iterator[Finding]:
    sources = report.get("sources")
    for source in sources if isinstance(sources, list) else ():
        if isinstance(source, Mapping) and source.get("up") is False:
            name = _text(source.get("name", ""))
            why = ": ".join(_text(source[key]) for key in ("error", "detail") if source.get(key))
            yield finding(
                _SOURCE_CODES.get(_text(source.get("error", "")), "source-down"),
                f"source {name!r} gave no metrics in the last scrape" + (f": {why}" if why else ""),
            )


def _text(value: object) -> str:
    return str(value)[:LONGEST_TEXT]

"""Findings that only a running proxy shows: not connected, a refused configuration, a silent agent, a dead source.

A scrape report comes from an agent, maybe of another version: whatever in it is not as expected is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from meshmeter.controlplane.proxies.status import ProxyStatus
from meshmeter.effective.findings import Finding, finding
from meshmeter.scrape.plan import ENVOY
from meshmeter.scrape.results import FetchError
from meshmeter.times import read_rfc3339

SILENCE = timedelta(minutes=3)
"""How long an agent may tell of no scrape; longer than the usual scrape intervals."""

DUPLICATES = "duplicate_series"
"""What a scrape report calls samples whose series an earlier source has."""

SAMPLE_LIMIT = "sample_limit"
"""What it calls those beyond what the source may have."""

REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "connect": "See that the application runs and listens there. If it listens on another address of the proxy's "
        "host, set the entry's `address`; if on another port, its `port`.",
        "too_large": "Let the application serve less, or raise `limits.bodyBytes` of the entry.",
        "timeout": "See why the application takes so long. It has the scraper's timeout less a tenth, or the entry's "
        "`timeout` where that is shorter.",
        "tls": "Set the entry's `tls.caFile` and `tls.serverName` to what the application's certificate is by and for, "
        "or its `scheme` to http if the application speaks no TLS.",
        "status": "See that the entry's `path` is that of the metrics, and that the application lets the agent in: "
        "`bearerTokenFile` and `basicAuthFile` of the entry. If it redirects to another server, set the entry's "
        "`path`, and `scheme`, `address` and `port` where they differ, to where the metrics are.",
    }
)
"""By the error of a source; without one, the remedy of the register."""

ADDRESS_REMEDY = (
    "Set networking.address (or the inbound's address) of the Dataplane to an address that its host has; an address at "
    "which only others reach it is networking.advertisedAddress."
)
"""Where Envoy cannot bind because its host does not have the address."""

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
        yield finding(
            "listener-rejected",
            f"Envoy refused its {kind} configuration: {status.nack.message}",
            remedy=ADDRESS_REMEDY if "Cannot assign requested address" in status.nack.message else "",
        )
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
        return read_rfc3339(str((report or {})["received_at"]))
    except (KeyError, ValueError):
        return status.connected_since


def _sources(report: Mapping[str, Any]) -> Iterator[Finding]:
    sources = report.get("sources")
    for source in sources if isinstance(sources, list) else ():
        if isinstance(source, Mapping) and source.get("up") is False:
            name = _text(source.get("name", ""))
            why = ": ".join(_text(source[key]) for key in ("error", "detail") if source.get(key))
            yield finding(
                _SOURCE_CODES.get(_text(source.get("error", "")), "source-down"),
                f"source {name!r} gave no metrics in the last scrape" + (f": {why}" if why else ""),
                remedy=REMEDIES.get(_text(source.get("error", "")), "") if name != ENVOY else "",
            )
        elif isinstance(source, Mapping) and _is_all_duplicates(source):
            name = _text(source.get("name", ""))
            yield finding(
                "source-all-duplicates", f"all samples of source {name!r} are those of an earlier source"
            )
        elif isinstance(source, Mapping) and (count := _dropped(source, SAMPLE_LIMIT)):
            name = _text(source.get("name", ""))
            yield finding(
                "source-sample-limit", f"source {name!r} has more samples than it may, {count} were dropped"
            )


def _dropped(source: Mapping[str, Any], reason: str) -> int:
    """How many samples a report tells of; 0 for what is no number of samples."""
    dropped = source.get("dropped")
    count = dropped.get(reason) if isinstance(dropped, Mapping) else None
    return count if isinstance(count, int) and count > 0 else 0


def _is_all_duplicates(source: Mapping[str, Any]) -> bool:
    return source.get("samples") == 0 and _dropped(source, DUPLICATES) > 0


def _text(value: object) -> str:
    return str(value)[:LONGEST_TEXT]

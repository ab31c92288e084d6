"""`plan`: what one scrape request asks of every source, and until when.

The agent owns Envoy's `filter` and `usedonly` (deviations D14, D15): the configured filter and the one of the request
both hold. Envoy takes only one, and it acts on stat names that the agent never sees, so with two filters Envoy is asked
twice and the series in both answers are kept. `usedonly` is on if either side asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from meshmeter.scrape.config import ScrapeConfig, SourceConfig

ENVOY = "envoy"
"""Name of the source that is Envoy itself."""

ADMIN_PATH = "/stats/prometheus"

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
DEFAULT_TIMEOUT = 10.0
"""Seconds, for scrapers that do not say how long they wait."""

RESERVE_SHARE, RESERVE_LEAST = 0.1, 0.5
"""Part of the scraper's timeout, and seconds, kept for merging and for the way back (design 6)."""

SHORTEST = 0.1
"""Seconds that sources get at least, whatever the scraper says."""

LONGEST = 80.0
"""Seconds that sources get at most: Envoy's route to the agent waits 90 s."""

_OWNED = frozenset({"filter", "usedonly", "format", "text_readouts"})


@dataclass(frozen=True, slots=True)
class ScrapePlan:
    """Everything about one scrape; equal plans may share their fetches."""

    config_version: str
    admin_targets: tuple[str, ...]
    """Path and query of each request to Envoy's admin: one, or two whose answers are intersected."""
    sources: tuple[SourceConfig, ...]
    timeout: float
    """Seconds that every source has."""
    application_label: str | None
    accept: str = ""
    """The scraper's Accept header; it chooses the format and is never forwarded."""


def plan(query: str, headers: Mapping[str, str], config: ScrapeConfig) -> ScrapePlan:
    """The plan for a request with this (still encoded) query and these headers."""
    given = parse_qsl(query, keep_blank_values=True)
    return ScrapePlan(
        config_version=config.version,
        admin_targets=_admin_targets(given, config),
        sources=config.sources,
        timeout=source_timeout(headers.get(TIMEOUT_HEADER)),
        application_label=config.application_label,
        accept=headers.get("Accept", ""),
    )


def source_timeout(text: str | None) -> float:
    """Seconds that sources have, from the scraper's timeout header: its value less the reserve."""
    try:
        total = float(text) if text else DEFAULT_TIMEOUT
    except ValueError:
        total = DEFAULT_TIMEOUT
    if not 0 < total < float("inf"):
        total = DEFAULT_TIMEOUT
    reserve = max(total * RESERVE_SHARE, RESERVE_LEAST)
    return min(max(total - reserve, SHORTEST), LONGEST)


def _admin_targets(given: list[tuple[str, str]], config: ScrapeConfig) -> tuple[str, ...]:
    passed = [(name, value) for name, value in given if name not in _OWNED]
    if config.used_only or any(name == "usedonly" for name, _value in given):
        passed.append(("usedonly", ""))
    passed.append(("text_readouts", ""))
    filters = dict.fromkeys(
        regex
        for regex in (config.filter_regex, *(value for name, value in given if name == "filter"))
        if regex
    )
    if not filters:
        return (_target(passed),)
    return tuple(_target([*passed, ("filter", regex)]) for regex in filters)


def _target(parameters: list[tuple[str, str]]) -> str:
    return f"{ADMIN_PATH}?{urlencode(sorted(parameters))}"

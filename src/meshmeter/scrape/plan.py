"""ScrapePlan: what one request of a scraper means, given the configuration in force.

The scraper's query is Envoy's: `filter`, `usedonly`, `histogram_buckets` and so on go to Envoy's admin interface,
nothing of it to applications. The configured filter and the scraper's both hold (deviations D14, D15). Envoy takes one
filter per request, an RE2 expression on names that its answer no longer has, and RE2 cannot say "both of these"; so
with two different filters Envoy is asked twice, and the series that are in both answers are what matches both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qsl, quote, urlencode

from meshmeter.exposition.formats import Accepted, Format, accepted
from meshmeter.scrape.config import PLAIN, ScrapeConfig, SourceConfig, SourceOptions

ENVOY = "envoy"
STATS_PATH = "/stats/prometheus"
DEFAULT_TIMEOUT = 10.0
"""Seconds, when the scraper does not say."""
MAX_TIMEOUT = 80.0
"""Seconds; the route through Envoy allows 90."""

ENVOY_ACCEPT = "text/plain"
"""Envoy would answer protobuf to a scraper's own Accept."""
_OURS = frozenset({"format", "text_readouts", "filter", "usedonly", "invert_filter"})
_OFF = frozenset({"false", "0", "no", "off"})
_BYTES = "surrogateescape"
"""Bytes that are no UTF-8 reach Envoy as they came."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a scraper sent."""

    query: str = ""
    """The raw query string."""
    accept: str | None = None
    timeout: str | None = None
    """`X-Prometheus-Scrape-Timeout-Seconds`."""
    hops: tuple[str, ...] = ()
    """The agents whose fetches of one another led to this request."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one fetch may cost."""

    body_bytes: int = 16 << 20
    """Of an application, after decompression."""
    envoy_bytes: int = 256 << 20
    """Of Envoy, whose answer grows with its clusters: about 19 kB for each."""


@dataclass(frozen=True, slots=True)
class Application:
    """One application endpoint to fetch."""

    name: str
    host: str
    """IP address or host name, without brackets."""
    port: int
    path: str
    options: SourceOptions = PLAIN

    @property
    def url(self) -> str:
        """The whole URL; an IPv6 address in brackets, the path as it is configured with only what no URL may
        contain encoded. Behind a unix socket the host is only what the application is told."""
        host = f"[{self.host}]" if _is_ipv6(self.host) else self.host
        port = f":{self.port}" if self.port else ""
        query = f"?{urlencode(self.options.params)}" if self.options.params else ""
        return (
            f"{self.options.scheme}://{host or 'localhost'}{port}{quote(self.path, safe=_PATH_SAFE)}{query}"
        )


_PATH_SAFE = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class ScrapePlan:
    """What to fetch and how to answer. Two scrapes with equal plans may share everything."""

    envoy: tuple[str, ...]
    """Request targets for the admin interface: one, or two whose answers are intersected."""
    applications: tuple[Application, ...]
    deadline: float
    """Seconds that each source has."""
    merge_deadline: float
    """Seconds from the beginning until all is merged: the rest of the scraper's timeout is for sending."""
    accept: str | None
    """As the scraper sent it; sources are never shown it."""
    application_accept: str
    """What applications are asked for."""
    application_label: str | None = None
    agent_metrics: bool = False
    """Whether the agent's own metrics are part of the answer."""
    limits: FetchLimits = FetchLimits()
    allowed_networks: tuple[str, ...] = ()
    """Where host names may lead to, beyond this host."""
    metrics_endpoint: tuple[str, int] = ("", 0)
    """Address and port of the endpoint that is scraped, which no source may be."""
    queried: bool = False
    """Whether the scraper's query changes what Envoy is asked."""
    hops: tuple[str, ...] = ()
    """As in the request. Part of the plan so that only requests with the same way behind them share an answer: two
    agents that wait for each other's would wait for ever."""

    @property
    def names(self) -> tuple[str, ...]:
        """The sources in the order of their precedence."""
        return (ENVOY, *(application.name for application in self.applications))

    def body_limit(self, name: str) -> int:
        """Bytes that the body of a source may have, decompressed and in UTF-8."""
        if name == ENVOY:
            return self.limits.envoy_bytes
        return self.options(name).body_bytes or self.limits.body_bytes

    def options(self, name: str) -> SourceOptions:
        """Those of an application."""
        return next((a.options for a in self.applications if a.name == name), PLAIN)


def plan(request: Request, config: ScrapeConfig, limits: FetchLimits | None = None) -> ScrapePlan:
    """The plan of one scrape. Never raises: what a scraper sends badly is as if it had not sent it."""
    targets = envoy_targets(request.query, config)
    return ScrapePlan(
        envoy=targets,
        applications=_applications(config.sources),
        deadline=deadline(request.timeout),
        merge_deadline=merge_deadline(request.timeout),
        accept=request.accept,
        application_accept=application_accept(accepted(request.accept)),
        application_label=config.application_label,
        agent_metrics=config.agent_metrics,
        limits=limits or FetchLimits(),
        allowed_networks=config.allowed_networks,
        metrics_endpoint=(config.metrics_address, config.metrics_port),
        queried=targets != envoy_targets("", config),
        hops=request.hops,
    )


def application_accept(asked: Accepted) -> str:
    """The Accept header for applications: what the scraper asks for, as far as it can be answered, so that they choose
    the names that they would choose without a proxy before them."""
    ranges = []
    if asked.openmetrics is not None:
        ranges.append("application/openmetrics-text;version=1.0.0" + _scheme(asked.openmetrics))
        ranges.append("application/openmetrics-text;version=0.0.1;q=0.75")
    if asked.text.scheme is not None:
        ranges.append(f"text/plain;version=1.0.0{_scheme(asked.text)};q=0.6")
    return ",".join([*ranges, "text/plain;version=0.0.4;q=0.5", "*/*;q=0.1"])


def _scheme(format: Format) -> str:
    return f";escaping={format.scheme}" if format.scheme is not None else ""


def deadline(timeout: str | None) -> float:
    """Seconds that each source has: the scraper's timeout less a reserve for merging and sending of a tenth, at
    least half a second, but never more than half of the timeout."""
    seconds = _seconds(timeout)
    return seconds - _reserve(seconds)


def merge_deadline(timeout: str | None) -> float:
    """Seconds until all is merged: half of the reserve is for sending."""
    seconds = _seconds(timeout)
    return seconds - _reserve(seconds) / 2


def _reserve(seconds: float) -> float:
    return min(max(seconds / 10, 0.5), seconds / 2)


def _seconds(timeout: str | None) -> float:
    """The scraper's timeout."""
    try:
        seconds = float(timeout) if timeout is not None else DEFAULT_TIMEOUT
    except ValueError:
        seconds = DEFAULT_TIMEOUT
    if not math.isfinite(seconds) or seconds <= 0:
        seconds = DEFAULT_TIMEOUT
    return min(seconds, MAX_TIMEOUT)


def envoy_targets(query: str, config: ScrapeConfig) -> tuple[str, ...]:
    """The request targets for Envoy's admin interface.

    `usedonly` holds if the configuration or the scraper asks for it. To Envoy any `usedonly` means yes; here
    `usedonly=false` of a scraper means what it says: it does not ask.
    """
    asked = parse_qsl(query, keep_blank_values=True, errors=_BYTES)
    first = {key: value for key, value in reversed(asked)}
    used_only = config.used_only or ("usedonly" in first and first["usedonly"].lower() not in _OFF)
    others = [(key, value) for key, value in asked if key not in _OURS]
    fixed = [("text_readouts", ""), *([("usedonly", "")] if used_only else [])]
    filters: list[list[tuple[str, str]]] = []
    if config.filter_regex:
        filters.append([("filter", config.filter_regex)])
    if scrapers := first.get("filter"):
        inverted = [("invert_filter", "")] if "invert_filter" in first else []
        if [("filter", scrapers), *inverted] not in filters:
            filters.append([("filter", scrapers), *inverted])
    return tuple(_target([*others, *fixed, *filter]) for filter in filters or [[]])


def _target(parameters: Iterable[tuple[str, str]]) -> str:
    """Every byte that means something in a URL is encoded, a space too: to Envoy a plus is a plus."""
    return f"{STATS_PATH}?{urlencode(sorted(parameters), quote_via=quote, safe='', errors=_BYTES)}"


def _applications(sources: Iterable[SourceConfig]) -> tuple[Application, ...]:
    """The applications with names that are different from each other and from Envoy's; an entry without a name is
    called by its address."""
    taken = {ENVOY}
    found = []
    for source in sources:
        wanted = source.name or f"{source.address}:{source.port}"
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}-{number}", number + 1
        taken.add(name)
        path = source.path if source.path.startswith("/") else f"/{source.path}"
        found.append(Application(name, source.address.strip("[]"), source.port, path, source.options))
    return tuple(found)


def _is_ipv6(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv6Address)
    except ValueError:
        return False

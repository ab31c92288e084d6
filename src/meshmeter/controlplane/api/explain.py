"""Explain: everything there is to say about the metrics of one proxy, or of a mesh, as JSON.

For a proxy: each effective value with where it comes from, the address that Prometheus scrapes, what protects it and
whom it lets in, each application, what Envoy has taken over, what the last scrape was like, and the findings, those
that follow from the resources as well as those that only the running proxy shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from meshmeter.addresses import IPNetwork
from meshmeter.controlplane.admission.origins import Writers
from meshmeter.controlplane.admission.token_tags import certificate_findings
from meshmeter.controlplane.admission.written_by import is_away
from meshmeter.controlplane.api.hidden_keys import redacted
from meshmeter.controlplane.proxies.findings import runtime_findings
from meshmeter.controlplane.proxies.status import ProxyStatus, State
from meshmeter.effective.access import admitted_sources, select_permission
from meshmeter.effective.aggregates import EffectiveAggregate
from meshmeter.effective.credentials import NO_CREDENTIALS, Credentials, ProvidedCertificate
from meshmeter.effective.findings import FINDINGS, Finding, finding
from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.effective.origin import Origin, Sourced
from meshmeter.effective.own_ports import NO_PORTS, OwnPorts
from meshmeter.effective.transport import Transport, mtls_enabled
from meshmeter.effective.view import MeshView
from meshmeter.mads.assignments import build_assignment
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits, size_violations
from meshmeter.resources.metrics import TlsMode
from meshmeter.resources.resource import Resource

METRICS_WORDS = ("serving", "refused", "off", "offline", "rejected")
"""What `metrics_word` says."""

MOST_EXAMPLES = 5
"""Names of proxies listed with each finding of a mesh."""


class Views(Protocol):
    """Where meshes are read; the reconciler is one."""

    def view(self, mesh: str) -> MeshView | None:
        """The mesh as it is now, or None if there is no such Mesh."""
        ...


class Statuses(Protocol):
    """Where proxies are looked up; the proxy registry is one."""

    def status(self, mesh: str, name: str) -> ProxyStatus:
        """What is known of the proxy."""
        ...


class Explainer:
    """Answers about one proxy or one mesh."""

    def __init__(
        self,
        views: Views,
        statuses: Statuses,
        *,
        problems: Callable[[str, str], Sequence[str]] = lambda _mesh, _name: (),
        credentials: Callable[[str, str], Credentials] = lambda _mesh, _name: NO_CREDENTIALS,
        of_mesh: Callable[[str], Iterable[Finding]] = lambda _mesh: (),
        allowed_networks: Sequence[IPNetwork] = (),
        own_ports: OwnPorts = NO_PORTS,
        limits: Limits = DEFAULT_LIMITS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        """By mesh and name of a proxy, `problems` tells what could not be built of its Envoy configuration, and
        `credentials` what it has at hand to protect its endpoint. `of_mesh` tells what is wrong with a mesh whether it
        has proxies or not."""
        self._views = views
        self._statuses = statuses
        self._problems = problems
        self._credentials = credentials
        self._of_mesh = of_mesh
        self._allowed_networks = tuple(allowed_networks)
        self._own_ports = own_ports
        self._limits = limits
        self._now = now

    def dataplane(self, mesh: str, name: str) -> dict[str, Any] | None:
        """Everything about one proxy; None if there is no such Dataplane."""
        view = self._views.view(mesh)
        dataplane = view.dataplanes.get(name) if view else None
        if view is None or dataplane is None:
            return None
        status = self._statuses.status(mesh, name)
        effective, findings = self._judge(view, dataplane, status)
        answer: dict[str, Any] = {"mesh": mesh, "dataplane": name, "metrics": metrics_word(effective, status)}
        if effective is not None:
            assignment = build_assignment(dataplane, effective)
            target = assignment.target if assignment is not None else None
            writers = Writers(dataplane)
            answer |= {
                "backend": effective.backend,
                "urls": [f"{_scheme(effective)}://{target.address}{target.metrics_path}"] if target else [],
                "settings": {field: writers.told(each) for field, each in settings_json(effective).items()},
                "tls": tls_json(view, effective, self._credentials(mesh, name).provided),
                "access": access_json(view, effective),
                "aggregate": [
                    {
                        **told,
                        "settings": {field: writers.told(each) for field, each in told["settings"].items()},
                    }
                    for told in map(aggregate_json, effective.aggregate)
                ],
            }
        return redacted(
            answer
            | {
                "findings": [finding_json(found) for found in findings],
                "proxy": status_json(status),
                "lastScrape": dict(status.last_report) if status.last_report is not None else None,
            }
        )

    def mesh(self, name: str) -> dict[str, Any] | None:
        """How the proxies of a mesh are, in numbers and by finding; None if there is no such Mesh."""
        view = self._views.view(name)
        if view is None:
            return None
        words: Counter[str] = Counter(dict.fromkeys(METRICS_WORDS, 0))
        states: Counter[str] = Counter({"online": 0, "offline": 0, "rejected": 0})
        codes: dict[str, _Tally] = {}
        warned = 0
        for proxy, dataplane in sorted(view.dataplanes.items()):
            status = self._statuses.status(name, proxy)
            effective, findings = self._judge(view, dataplane, status)
            words[metrics_word(effective, status)] += 1
            states[status.state] += 1
            warned += any(found.severity == "warning" for found in findings)
            for code in dict.fromkeys(found.code for found in findings):
                codes.setdefault(code, _Tally()).add(proxy)
        return {
            "mesh": name,
            "proxies": {"total": len(view.dataplanes), **words, "warned": warned},
            "connections": dict(states),
            "findings": [
                *(
                    {**summary_json(found.code), "message": found.message}
                    for found in self._of_mesh(name)
                    if found.code not in codes
                ),
                *(
                    summary_json(code, tally)
                    for code, tally in sorted(codes.items(), key=lambda item: (-item[1].proxies, item[0]))
                ),
            ],
        }

    def overviews(self, dataplanes: Sequence[Resource[DataplaneSpec]]) -> Iterator[dict[str, Any]]:
        """The state of each proxy, short: what a list shows beside its resource."""
        views: dict[str, MeshView | None] = {}
        for dataplane in dataplanes:
            if dataplane.mesh not in views:
                views[dataplane.mesh] = self._views.view(dataplane.mesh)
            view = views[dataplane.mesh]
            # Of one that is away nothing is served, whatever its settings would be.
            effective = self._effective(view, dataplane) if view and not is_away(dataplane) else None
            status = self._statuses.status(dataplane.mesh, dataplane.name)
            yield {
                "metrics": metrics_word(effective, status),
                "finding": _closing(effective, status),
                **status_json(status),
            }

    def _effective(self, view: MeshView, dataplane: Resource[DataplaneSpec]) -> EffectiveMetrics | None:
        return effective_metrics(
            view.mesh,
            dataplane,
            allowed_networks=self._allowed_networks,
            permissions=view.permissions,
            credentials=self._credentials(dataplane.mesh, dataplane.name),
            own_ports=self._own_ports,
            neighbours=view.neighbours(dataplane),
        )

    def _judge(
        self, view: MeshView, dataplane: Resource[DataplaneSpec], status: ProxyStatus
    ) -> tuple[EffectiveMetrics | None, list[Finding]]:
        effective = self._effective(view, dataplane)
        left_out = [
            finding("proxy-config-incomplete", problem)
            for problem in self._problems(dataplane.mesh, dataplane.name)
        ]
        left_out += certificate_findings(view, dataplane)
        for whose in (view.mesh, dataplane):
            too_large = size_violations(whose.spec, self._limits)
            left_out += (
                finding("resource-too-large", f"{whose.key}: {found.field} {found.reason}", field=found.field)
                for found in too_large
            )
        if effective is None:
            off = finding("metrics-off", f"Mesh {view.mesh.name} enables no metrics for this proxy")
            return None, [off, *left_out, *runtime_findings(status, self._now(), has_endpoint=False)]
        found = runtime_findings(status, self._now(), has_endpoint=effective.serves)
        return effective, [*effective.findings, *left_out, *found]


@dataclass(slots=True)
class _Tally:
    proxies: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.proxies += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(name)


def summary_json(code: str, tally: _Tally | None = None) -> dict[str, Any]:
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


def _closing(effective: EffectiveMetrics | None, status: ProxyStatus) -> str | None:
    """Code of the finding that keeps the endpoint closed, or keeps Envoy from what it was sent last."""
    refused = (
        (found.code for found in effective.findings if _closes(found)) if effective is not None else iter(())
    )
    return next(refused, "listener-rejected" if status.state is State.REJECTED else None)


def _closes(found: Finding) -> bool:
    return found.severity == "refused" and found.scope == "listener"


def _scheme(effective: EffectiveMetrics) -> str:
    """What the endpoint speaks. Discovery tells a Prometheus inside the mesh otherwise: its sidecar makes TLS of it."""
    return "http" if effective.transport is Transport.PLAIN else "https"


def settings_json(effective: EffectiveMetrics) -> dict[str, Any]:
    """Every setting by its field path in `conf`, with its origin."""
    return {
        "port": sourced_json(effective.port),
        "path": sourced_json(effective.path),
        "tags": sourced_json(effective.tags),
        "tls.mode": sourced_json(effective.tls_mode),
        "envoy.filterRegex": sourced_json(effective.filter_regex),
        "envoy.usedOnly": sourced_json(effective.used_only),
        "applicationLabel": sourced_json(effective.application_label),
        "agentMetrics": sourced_json(effective.agent_metrics),
    }


def sourced_json(sourced: Sourced[Any]) -> dict[str, Any]:
    """A value, its origin, and what it overrode, highest layer first."""
    return {
        "value": _plain(sourced.value),
        "origin": _origin(sourced.origin),
        "overrode": [{"value": _plain(o.value), "origin": _origin(o.origin)} for o in sourced.overrode],
    }


def _origin(origin: Origin) -> dict[str, str]:
    return {"layer": str(origin.layer), "resource": origin.resource, "field": origin.field}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, TlsMode) else value


def tls_json(
    view: MeshView, effective: EffectiveMetrics, provided: ProvidedCertificate | None = None
) -> dict[str, Any]:
    """What protects the endpoint, and why that; with providedTLS also what the agent says of the certificate."""
    mode = effective.tls_mode.value
    if mode is TlsMode.DISABLED:
        reason = "tls.mode is disabled: plain HTTP, whatever the Mesh's mTLS"
    elif mode is TlsMode.PROVIDED_TLS:
        reason = "tls.mode is providedTLS: HTTPS with the certificate the proxy is started with"
    elif mtls_enabled(view.mesh.spec):
        reason = (
            f"tls.mode is {mode} and the Mesh has mTLS: HTTPS with the proxy's certificate of the mesh, and only "
            "certificates of the mesh are let in"
        )
    else:
        reason = f"tls.mode is {mode} and the Mesh has no mTLS: plain HTTP"
    answer = {"mode": str(mode), "transport": str(effective.transport), "reason": reason}
    if mode is TlsMode.PROVIDED_TLS and provided is not None:
        certificate = {
            "state": str(provided.state),
            "detail": provided.detail,
            "notAfter": time_text(provided.not_after),
        }
        return answer | {"certificate": certificate}
    return answer


def _why_open(effective: EffectiveMetrics) -> str:
    """Why no TrafficPermission holds for the endpoint."""
    mode = effective.tls_mode.value
    if mode is TlsMode.ACTIVE_MTLS_BACKEND:
        return "TrafficPermission needs the mesh's mTLS"
    if mode is TlsMode.PROVIDED_TLS:
        return "with providedTLS scrapers show no certificate of the mesh, so TrafficPermission has no effect"
    return "with tls.mode disabled scrapers show no certificate, so TrafficPermission has no effect"


def access_json(view: MeshView, effective: EffectiveMetrics) -> dict[str, Any]:
    """Who may scrape: everybody, or the sources of the TrafficPermission that holds for the endpoint's tags."""
    if effective.transport is not Transport.MTLS:
        reason = f"whoever reaches the port may scrape: {_why_open(effective)}"
        return {"restricted": False, "permission": None, "sources": [], "reason": reason}
    permission = select_permission(view.permissions, effective.tags.value)
    tags = ", ".join(f"{k}={v}" for k, v in sorted(effective.tags.value.items()))
    if permission is None:
        reason = f"nobody may scrape: no TrafficPermission has a destination that matches {tags}"
        return {"restricted": True, "permission": None, "sources": [], "reason": reason}
    return {
        "restricted": True,
        "permission": permission.name,
        "sources": [dict(source) for source in admitted_sources(permission)],
        "reason": f"TrafficPermission {permission.name} holds for {tags}",
    }


def aggregate_json(entry: EffectiveAggregate) -> dict[str, Any]:
    """One application endpoint and whether it is scraped."""
    if not entry.enabled.value:
        state = "disabled"
    else:
        state = "refused" if entry.refused is not None else "scraped"
    return {
        "name": entry.name,
        "state": state,
        "url": aggregate_url(entry),
        "field": entry.field,
        "settings": {
            "enabled": sourced_json(entry.enabled),
            "port": sourced_json(entry.port),
            "path": sourced_json(entry.path),
            "address": sourced_json(entry.address),
            **{path: sourced_json(option) for path, option in entry.options.items()},
        },
        "finding": finding_json(entry.refused) if entry.refused is not None else None,
    }


def aggregate_url(entry: EffectiveAggregate) -> str | None:
    """Where the application is asked; None without a port. A unix socket stands in the place of host and port."""
    scheme, socket = entry.option("scheme") or "http", entry.option("unixSocket")
    if socket:
        return f"{scheme}+unix:{socket}:{entry.path.value}"
    address, port = entry.address.value, entry.port.value
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}:{port}{entry.path.value}" if port is not None else None


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
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

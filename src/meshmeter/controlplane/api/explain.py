"""Explain: everything there is to say about the metrics of one proxy, or of a mesh, as JSON.

For a proxy: each effective value with where it comes from, the address that Prometheus scrapes, what protects it and
whom it lets in, each application, what Envoy has taken over, what the last scrape was like, and the findings, those
that follow from the resources as well as those that only the running proxy shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from meshmeter.controlplane.admission.origins import Writers
from meshmeter.controlplane.admission.token_tags import certificate_findings
from meshmeter.controlplane.admission.written_by import is_away
from meshmeter.controlplane.api.explained_protection import access_json, scheme, tls_json
from meshmeter.controlplane.api.explained_settings import aggregate_json, settings_json
from meshmeter.controlplane.api.explained_state import (
    METRICS_WORDS,
    Tally,
    closing,
    finding_json,
    metrics_word,
    status_json,
    summary_json,
)
from meshmeter.controlplane.api.hidden_keys import redacted
from meshmeter.controlplane.proxies.findings import runtime_findings
from meshmeter.controlplane.proxies.registry import ProxyRegistry
from meshmeter.controlplane.proxies.status import ProxyStatus
from meshmeter.controlplane.reconcile.reconciler import Reconciler
from meshmeter.effective.findings import Finding, finding
from meshmeter.pipeline import CompiledProxy
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits, size_violations
from meshmeter.resources.resource import Resource


class Explainer:
    """Answers about one proxy or one mesh, from what the reconciler compiled: what is served, and not what it would be
    anew."""

    def __init__(
        self,
        reconciler: Reconciler,
        registry: ProxyRegistry,
        *,
        limits: Limits = DEFAULT_LIMITS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self._reconciler = reconciler
        self._registry = registry
        self._limits = limits
        self._now = now

    def dataplane(self, mesh: str, name: str) -> dict[str, Any] | None:
        """Everything about one proxy; None if there is no such Dataplane."""
        dataplane = self._reconciler.dataplane(mesh, name)
        compiled = self._reconciler.outcome(dataplane) if dataplane is not None else None
        if compiled is None:
            return None
        status = self._registry.status(mesh, name)
        effective, assignment = compiled.effective, compiled.assignment
        answer: dict[str, Any] = {"mesh": mesh, "dataplane": name, "metrics": metrics_word(effective, status)}
        if effective is not None:
            target = assignment.target if assignment is not None else None
            writers = Writers(compiled.dataplane)
            answer |= {
                "backend": effective.backend,
                "urls": [f"{scheme(effective)}://{target.address}{target.metrics_path}"] if target else [],
                "settings": {field: writers.told(each) for field, each in settings_json(effective).items()},
                "tls": tls_json(compiled.mesh, effective, compiled.provided),
                "access": access_json(compiled.permissions, effective),
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
                "findings": [finding_json(found) for found in self._findings(compiled, status)],
                "proxy": status_json(status),
                "lastScrape": dict(status.last_report) if status.last_report is not None else None,
            }
        )

    def mesh(self, name: str) -> dict[str, Any] | None:
        """How the proxies of a mesh are, in numbers and by finding; None if there is no such Mesh."""
        view = self._reconciler.view(name)
        if view is None:
            return None
        words: Counter[str] = Counter(dict.fromkeys(METRICS_WORDS, 0))
        states: Counter[str] = Counter({"online": 0, "offline": 0, "rejected": 0})
        codes: dict[str, Tally] = {}
        warned = 0
        for proxy, dataplane in sorted(view.dataplanes.items()):
            compiled = self._reconciler.outcome(dataplane)
            assert compiled is not None, "there is the Mesh"
            status = self._registry.status(name, proxy)
            findings = self._findings(compiled, status)
            words[metrics_word(compiled.effective, status)] += 1
            states[status.state] += 1
            warned += any(found.severity == "warning" for found in findings)
            for code in dict.fromkeys(found.code for found in findings):
                codes.setdefault(code, Tally()).add(proxy)
        return {
            "mesh": name,
            "proxies": {"total": len(view.dataplanes), **words, "warned": warned},
            "connections": dict(states),
            "findings": [
                *(
                    {**summary_json(found.code), "message": found.message}
                    for found in self._reconciler.mesh_findings(name)
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
        for dataplane in dataplanes:
            # Of one that is away nothing is served, whatever its settings would be.
            compiled = self._reconciler.outcome(dataplane) if not is_away(dataplane) else None
            effective = compiled.effective if compiled is not None else None
            status = self._registry.status(dataplane.mesh, dataplane.name)
            yield {
                "metrics": metrics_word(effective, status),
                "finding": closing(effective, status),
                **status_json(status),
            }

    def _findings(self, compiled: CompiledProxy, status: ProxyStatus) -> list[Finding]:
        effective = compiled.effective
        problems = compiled.snapshot.problems if compiled.snapshot is not None else ()
        left_out = [finding("proxy-config-incomplete", problem) for problem in problems]
        left_out += certificate_findings(compiled.mesh, compiled.permissions, compiled.dataplane)
        for whose in (compiled.mesh, compiled.dataplane):
            too_large = size_violations(whose.spec, self._limits)
            left_out += (
                finding("resource-too-large", f"{whose.key}: {found.field} {found.reason}", field=found.field)
                for found in too_large
            )
        if effective is None:
            off = finding("metrics-off", f"Mesh {compiled.mesh.name} enables no metrics for this proxy")
            return [off, *left_out, *runtime_findings(status, self._now(), has_endpoint=False)]
        found = runtime_findings(status, self._now(), has_endpoint=effective.serves)
        return [*effective.findings, *left_out, *found]

"""`pod_metrics`: the annotations of a Pod as the `metrics` of its Dataplane (kuma-facts 4.1, deviations D4, D5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshmeter.effective.findings import Finding
from meshmeter.effective.pod_annotations import mark, read
from meshmeter.resources.dataplane import DataplaneMetrics
from meshmeter.resources.metrics import PROMETHEUS, AggregateEntry, PrometheusConf


@dataclass(frozen=True, slots=True)
class PodMetrics:
    """What a Dataplane gets because of its Pod's annotations about metrics."""

    metrics: DataplaneMetrics | None
    """Exactly what they say and nothing that completes it; None if they set nothing."""
    annotations: Mapping[str, str]
    """Annotations of the Dataplane, by which it stays known where its values come from."""
    findings: tuple[Finding, ...]
    """What is wrong with annotations. Those of `effective_metrics` for the Dataplane have the same."""


def pod_metrics(annotations: Mapping[str, str]) -> PodMetrics:
    """Never raises: what cannot be read is a finding, and everything else works.

    An entry with a value that cannot be read is in the result with its other values, so that it is refused wherever
    the Mesh has it too.
    """
    said = read(annotations)
    metrics = None
    if said.settings or said.entries:
        entries = tuple(AggregateEntry.model_validate({"name": n, **e}) for n, e in said.entries.items())
        conf = PrometheusConf.model_validate({**said.settings, "aggregate": entries or None})
        metrics = DataplaneMetrics(type=PROMETHEUS, conf=conf)
    return PodMetrics(metrics, mark(annotations), said.findings)

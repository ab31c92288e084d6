"""pod-annotations: what annotations of a Pod say about metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contract.conformance import Case, vectors
from contract.deviations import d4_entry_without_a_port, d4_exactly_what_is_said
from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.injector.annotations import PodMetrics, pod_metrics
from meshmeter.resources.annotation_values import AnnotationError, flag, uint32
from support.resources import dataplane, metered


def conf(found: PodMetrics) -> dict[str, Any]:
    """The `conf` that was made; empty if none was."""
    if found.metrics is None or found.metrics.conf is None:
        return {}
    return found.metrics.conf.model_dump(mode="json", by_alias=True, exclude_none=True)


def by_name(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in entries}


@vectors("pod-annotations", "pod-metrics")
def test_pod_metrics(case: Case) -> None:
    found, expected = pod_metrics(case.data["annotations"]), case.data["expected"]
    assert not found.findings
    if expected is None:
        assert found.metrics is None
        return
    assert found.metrics is not None and found.metrics.type == expected["type"]
    made, wanted = conf(found), dict(expected["conf"])
    entries = d4_exactly_what_is_said(wanted.pop("aggregate", []), case.data["annotations"])
    assert by_name(made.pop("aggregate", [])) == by_name(entries)
    assert made == wanted


@vectors("pod-annotations", "pod-aggregate")
def test_pod_aggregate(case: Case) -> None:
    found = pod_metrics(case.data["annotations"])
    if d4_entry_without_a_port(case.data):
        assert not found.findings
        without = {e["name"] for e in conf(found)["aggregate"] if "port" not in e and e.get("enabled", True)}
        effective = in_force(found)
        missing = {
            e.name for e in effective.aggregate if e.refused and e.refused.code == "aggregate-port-missing"
        }
        assert missing == without != set()
        assert all(case.data["error"] in e.refused.message for e in effective.aggregate if e.refused)
        assert all(e.refused is None for e in effective.aggregate if e.name not in without)
    elif "error" in case.data:
        words = case.data.get("portablePrefix", case.data["error"])
        told = [finding for finding in found.findings if finding.message.startswith(words)]
        assert len(told) == 1
        assert [e.name for e in in_force(found).aggregate if e.refused == told[0]]
    else:
        assert not found.findings
        entries = d4_exactly_what_is_said(case.data["expected"], case.data["annotations"])
        assert by_name(conf(found)["aggregate"]) == by_name(entries)


def in_force(found: PodMetrics) -> EffectiveMetrics:
    """What holds for the Pod's proxy in a mesh that says nothing of entries."""
    bare = dataplane()
    made = replace(
        bare,
        meta=replace(bare.meta, annotations=found.annotations),
        spec=bare.spec.model_copy(update={"metrics": found.metrics}),
    )
    effective = effective_metrics(metered(), made)
    assert effective is not None
    return effective


@vectors("pod-annotations", "annotation-flag")
def test_annotation_flag(case: Case) -> None:
    holds(flag, case)


@vectors("pod-annotations", "annotation-uint32")
def test_annotation_uint32(case: Case) -> None:
    holds(uint32, case)


def holds(reader: Any, case: Case) -> None:
    key, value = case.data["key"], case.data["value"]
    if "error" not in case.data:
        assert reader(key, value) == case.data["expected"]
        return
    words = case.data.get("portablePrefix", case.data["error"])
    with pytest.raises(AnnotationError) as told:
        reader(key, value)
    assert str(told.value).startswith(words)

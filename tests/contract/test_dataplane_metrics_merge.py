"""dataplane-metrics-merge: the settings in force for one proxy."""

from __future__ import annotations

from typing import Any

from contract.conformance import Case, vectors
from contract.deviations import d1_d3_entries_merged_field_by_field
from contract.universal import resource
from meshmeter.effective.aggregates import EffectiveAggregate
from meshmeter.effective.metrics import EffectiveMetrics, effective_metrics
from meshmeter.effective.origin import Layer, Sourced
from support.resources import dataplane


def effective(case: Case) -> EffectiveMetrics | None:
    if case.data["mesh"] is None or case.data["dataplane"] is None:
        return None
    return effective_metrics(resource(case.data["mesh"]), resource(case.data["dataplane"]))


@vectors("dataplane-metrics-merge", "effective-config")
def test_effective_config(case: Case) -> None:
    found, expected = effective(case), d1_d3_entries_merged_field_by_field(case.data)
    if expected is None:
        assert found is None
        return
    assert found is not None
    holds(found.port, expected, "port")
    holds(found.path, expected, "path")
    holds(found.tls_mode, expected.get("tls", {}), "mode")
    holds(found.filter_regex, expected.get("envoy", {}), "filterRegex")
    holds(found.used_only, expected.get("envoy", {}), "usedOnly")
    holds(found.tags, expected, "tags")
    entries = {entry["name"]: entry for entry in expected.get("aggregate", ())}
    assert {entry.name for entry in found.aggregate} == set(entries)
    for entry in found.aggregate:
        same_entry(entry, entries[entry.name])


def holds(found: Sourced[Any], expected: dict[str, Any], name: str) -> None:
    """The value that the case names; what it does not name was written nowhere."""
    if name in expected:
        assert found.value == expected[name]
    else:
        assert found.origin.layer is Layer.DEFAULT


def same_entry(found: EffectiveAggregate, expected: dict[str, Any]) -> None:
    holds(found.enabled, expected, "enabled")
    holds(found.port, expected, "port")
    assert found.path.value == expected["path"]
    holds(found.address, expected, "address")


@vectors("dataplane-metrics-merge", "applications-to-scrape")
def test_applications_to_scrape(case: Case) -> None:
    found, expected = effective(case), case.data["expected"] or []
    scraped = [
        {"name": s.name, "address": s.address.value, "port": s.port.value, "path": s.path.value}
        for s in (found.sources if found else ())
    ]
    for entry in expected:
        assert entry in scraped
    disabled = {entry.name for entry in (found.aggregate if found else ()) if not entry.enabled.value}
    assert disabled.isdisjoint(s["name"] for s in scraped)
    if case.data.get("expectedIs") != "subset":
        assert len(scraped) == len(expected)


@vectors("dataplane-metrics-merge", "metrics-enabled")
def test_metrics_enabled(case: Case) -> None:
    mesh = resource(case.data["mesh"]) if case.data["mesh"] else None
    found = effective_metrics(mesh, dataplane(mesh=mesh.name)) if mesh else None
    assert (found is not None) is case.data["expected"]

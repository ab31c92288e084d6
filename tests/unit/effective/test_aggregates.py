"""Aggregate entries of Mesh and Dataplane, joined by name and merged field by field (deviations D1, D3)."""

from __future__ import annotations

from typing import Any

from meshmeter.effective.aggregates import EffectiveAggregate, join_aggregates
from meshmeter.effective.origin import Layer, Origin, Sourced
from meshmeter.effective.precedence import conf_layers
from support.resources import dataplane, metered

OWN = Sourced("192.168.0.1", Origin(Layer.DEFAULT))


def joined(
    on_mesh: list[dict[str, Any]], on_dataplane: list[dict[str, Any]]
) -> dict[str, EffectiveAggregate]:
    found = conf_layers(metered(aggregate=on_mesh), dataplane(conf={"aggregate": on_dataplane}))
    assert found is not None
    return {entry.name: entry for entry in join_aggregates(found.layers, OWN)}


def values(entry: EffectiveAggregate) -> tuple[bool, int | None, str, str]:
    return entry.enabled.value, entry.port.value, entry.path.value, entry.address.value


def test_the_example_of_the_page() -> None:
    entries = joined(
        [
            {"name": "my-service", "path": "/metrics/prometheus", "port": 8888},
            {"name": "other-sidecar", "port": 8000},
        ],
        [
            {"name": "my-service", "enabled": False},
            {"name": "other-sidecar", "port": 1234, "address": "127.0.0.1"},
            {"name": "application", "path": "/stats", "port": 80},
        ],
    )
    assert {name: values(entry) for name, entry in entries.items()} == {
        "my-service": (False, 8888, "/metrics/prometheus", "192.168.0.1"),
        "other-sidecar": (True, 1234, "/metrics", "127.0.0.1"),
        "application": (True, 80, "/stats", "192.168.0.1"),
    }
    assert list(entries) == ["my-service", "other-sidecar", "application"]


def test_overriding_the_port_keeps_path_and_address_of_the_mesh() -> None:
    entry = joined(
        [{"name": "a", "port": 1, "path": "/x", "address": "127.0.0.1"}], [{"name": "a", "port": 2}]
    )["a"]
    assert values(entry) == (True, 2, "/x", "127.0.0.1")
    assert entry.port.origin.field == "metrics.conf.aggregate[0].port"
    assert entry.path.origin.field == "metrics.backends[0].conf.aggregate[0].path"
    assert entry.field == "metrics.conf.aggregate[0]"


def test_an_entry_that_the_mesh_disables_stays_disabled_until_the_dataplane_says_enabled() -> None:
    off = [{"name": "a", "port": 1, "enabled": False}]
    assert not joined(off, [{"name": "a", "port": 2}])["a"].enabled.value
    assert joined(off, [{"name": "a", "enabled": True}])["a"].enabled.value


def test_the_order_is_that_of_the_first_mention() -> None:
    entries = joined([{"name": "b"}, {"name": "a"}], [{"name": "c"}, {"name": "a"}])
    assert list(entries) == ["b", "a", "c"]


def test_of_equal_names_in_one_layer_the_first_holds() -> None:
    entries = joined(
        [{"name": "a", "port": 1}, {"name": "a", "port": 2}, {"port": 3}, {"name": "", "port": 4}], []
    )
    assert {name: entry.port.value for name, entry in entries.items()} == {"a": 1, "": 3}


def test_every_further_option_comes_from_the_highest_layer_that_sets_it() -> None:
    entry = joined(
        [
            {
                "name": "a",
                "port": 1,
                "scheme": "https",
                "tls": {"caFile": "/ca", "serverName": "a.example"},
                "limits": {"samples": 10},
                "timeout": "5s",
            }
        ],
        [{"name": "a", "tls": {"caFile": "/other"}, "limits": {"samples": 20}}],
    )["a"]
    assert {path: option.value for path, option in entry.options.items()} == {
        "scheme": "https",
        "tls.caFile": "/other",
        "tls.serverName": "a.example",
        "timeout": "5s",
        "limits.samples": 20,
    }
    ca_file = entry.options["tls.caFile"]
    assert ca_file.origin.field == "metrics.conf.aggregate[0].tls.caFile"
    assert ca_file.overrode[0].value == "/ca"
    assert entry.option("bearerTokenFile") is None

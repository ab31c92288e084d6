"""default < Mesh < Dataplane; presence counts, not truth."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.effective.origin import Layer, Origin, Sourced
from meshmeter.effective.precedence import builtin, conf_layers, resolve, unite
from support.resources import dataplane, mesh, metered


def test_what_is_written_highest_holds_and_remembers_what_it_overrode() -> None:
    found = conf_layers(metered(port=1234), dataplane(conf={"port": 5670}))
    assert found is not None
    port = resolve(builtin(5670), [layer.at("port", layer.conf.port) for layer in found.layers])
    on_mesh = Sourced(1234, Origin(Layer.MESH, "Mesh default", "metrics.backends[0].conf.port"))
    assert port == Sourced(
        5670,
        Origin(Layer.DATAPLANE, "Dataplane default/backend-1", "metrics.conf.port"),
        (on_mesh, Sourced(5670, Origin(Layer.DEFAULT))),
    )


def test_nothing_written_leaves_the_default() -> None:
    assert resolve(builtin(5670), [None, None]) == Sourced(5670, Origin(Layer.DEFAULT))


def test_false_and_empty_override() -> None:
    written = Sourced("", Origin(Layer.DATAPLANE))
    assert resolve(builtin("/metrics"), [None, written]).value == ""


BACKENDS: list[dict[str, Any]] = [
    {"name": "other", "type": "prometheus"},
    {"name": "mine", "type": "prometheus"},
]


@pytest.mark.parametrize(
    "metrics",
    [
        None,
        {},
        {"backends": BACKENDS},
        {"enabledBackend": "", "backends": BACKENDS},
        {"enabledBackend": "absent", "backends": BACKENDS},
        {"enabledBackend": "mine", "backends": [{"name": "mine", "type": "statsd"}]},
        {"enabledBackend": "mine", "backends": [{"name": "mine"}]},
    ],
)
def test_metrics_are_off_without_an_enabled_prometheus_backend(metrics: dict[str, Any] | None) -> None:
    fields = {} if metrics is None else {"metrics": metrics}
    assert conf_layers(mesh("default", **fields), dataplane(conf={"port": 1})) is None


def test_metrics_are_off_for_a_dataplane_of_another_mesh() -> None:
    assert conf_layers(metered("default"), dataplane(mesh="other")) is None


def test_the_path_names_the_enabled_backend() -> None:
    subject = mesh("default", metrics={"enabledBackend": "mine", "backends": BACKENDS})
    found = conf_layers(subject, dataplane())
    assert found is not None
    assert found.backend == "mine"
    assert [layer.path for layer in found.layers] == ["metrics.backends[1].conf"]


def test_a_dataplane_of_another_backend_type_says_nothing() -> None:
    subject = dataplane(conf={"port": 1})
    assert subject.spec.metrics is not None
    other = subject.spec.model_copy(
        update={"metrics": subject.spec.metrics.model_copy(update={"type": "statsd"})}
    )
    found = conf_layers(metered(), type(subject)("Dataplane", subject.meta, other))
    assert found is not None and len(found.layers) == 1


@pytest.mark.parametrize(
    ("on_mesh", "on_dataplane", "expected"),
    [
        (None, None, {"kuma.io/service": "dataplane-metrics"}),
        ({}, {}, {"kuma.io/service": "dataplane-metrics"}),
        ({"team": "a"}, None, {"team": "a"}),
        (None, {"team": "b"}, {"kuma.io/service": "dataplane-metrics", "team": "b"}),
        ({"team": "a", "env": "dev"}, {"team": "b"}, {"team": "b", "env": "dev"}),
    ],
)
def test_tags_are_united(
    on_mesh: dict[str, str] | None, on_dataplane: dict[str, str] | None, expected: dict[str, str]
) -> None:
    found = conf_layers(metered(tags=on_mesh), dataplane(conf={"tags": on_dataplane}))
    assert found is not None
    assert unite(builtin({"kuma.io/service": "dataplane-metrics"}), found.layers).value == expected


def test_united_tags_remember_the_maps_below() -> None:
    found = conf_layers(metered(tags={"a": "1"}), dataplane(conf={"tags": {"b": "2"}}))
    assert found is not None
    tags = unite(builtin({"d": "0"}), found.layers)
    assert tags.origin.layer is Layer.DATAPLANE
    assert [(below.value, below.origin.layer) for below in tags.overrode] == [
        ({"a": "1"}, Layer.MESH),
        ({"d": "0"}, Layer.DEFAULT),
    ]

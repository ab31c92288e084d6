"""`effective_metrics`: every field is that of the highest layer that writes it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshmeter.effective.metrics import DEFAULT_TAGS, EffectiveMetrics, Transport, effective_metrics
from meshmeter.effective.origin import Layer, Origin
from meshmeter.resources.metrics import TlsMode
from support.resources import dataplane, mesh, metered


def test_the_short_form_of_the_page_gets_the_defaults() -> None:
    found = effective_metrics(metered(), dataplane())
    assert found is not None
    assert (found.mesh, found.dataplane, found.backend) == ("default", "backend-1", "prometheus-1")
    assert (found.port.value, found.path.value) == (5670, "/metrics")
    assert found.tags.value == {"kuma.io/service": "dataplane-metrics"}
    assert (found.tls_mode.value, found.transport) == (TlsMode.ACTIVE_MTLS_BACKEND, Transport.PLAIN)
    assert (found.filter_regex.value, found.used_only.value) == (None, False)
    assert (found.aggregate, found.findings, found.serves) == ((), (), True)
    assert {found.port.origin, found.path.origin, found.tags.origin, found.tls_mode.origin} == {
        Origin(Layer.DEFAULT)
    }


def test_the_example_of_the_page_that_overrides_one_proxy() -> None:
    found = effective_metrics(
        metered(port=5670, path="/metrics", tls={"mode": "disabled"}),
        dataplane(conf={"port": 1234, "path": "/non-standard-path", "tls": {"mode": "activeMTLSBackend"}}),
    )
    assert found is not None
    assert (found.port.value, found.path.value) == (1234, "/non-standard-path")
    assert found.tls_mode.value is TlsMode.ACTIVE_MTLS_BACKEND


def test_a_dataplane_removes_filter_and_used_only_of_the_mesh() -> None:
    found = effective_metrics(
        metered(envoy={"filterRegex": "http2_act.*", "usedOnly": True}),
        dataplane(conf={"envoy": {"filterRegex": "", "usedOnly": False}}),
    )
    assert found is not None
    assert (found.filter_regex.value, found.used_only.value) == ("", False)
    assert found.used_only.overrode[0].value is True


def test_metrics_are_off() -> None:
    assert effective_metrics(mesh("default"), dataplane(conf={"port": 1})) is None
    assert effective_metrics(metered("default"), dataplane(mesh="other")) is None


def test_the_default_address_of_an_entry_is_that_of_the_dataplane() -> None:
    found = effective_metrics(metered(aggregate=[{"name": "a", "port": 1}]), dataplane(address="10.1.1.1"))
    assert found is not None
    assert found.sources[0].address.value == "10.1.1.1"
    assert found.sources[0].address.origin == Origin(
        Layer.DEFAULT, "Dataplane default/backend-1", "networking.address"
    )


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


ENTRY = st.fixed_dictionaries(
    {"name": st.sampled_from("abc")},
    optional={
        "port": st.integers(1, 65535),
        "path": st.sampled_from(["/metrics", "/a", "/b"]),
        "enabled": st.booleans(),
        "address": st.sampled_from(["127.0.0.1", "10.0.0.1"]),
    },
)
CONF = optional(
    port=st.integers(1, 65535),
    path=st.sampled_from(["/metrics", "/a", "/b"]),
    tags=st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12")),
    skipMTLS=st.booleans(),
    tls=optional(mode=st.sampled_from(list(TlsMode))),
    envoy=optional(filterRegex=st.sampled_from(["", "a.*"]), usedOnly=st.booleans()),
    applicationLabel=st.sampled_from(["", "app"]),
    agentMetrics=st.booleans(),
    aggregate=st.lists(ENTRY, unique_by=lambda entry: entry["name"]),
)
ABSENT = object()


def at(conf: dict[str, Any], *path: str) -> Any:
    for name in path:
        if name not in conf:
            return ABSENT
        conf = conf[name]
    return conf


def highest(confs: list[dict[str, Any]], *path: str, default: Any) -> Any:
    """The rule itself: the last of `confs` that has the field, else the default."""
    return next((value for conf in reversed(confs) if (value := at(conf, *path)) is not ABSENT), default)


def mode(conf: dict[str, Any]) -> Any:
    if "tls" in conf:
        return conf["tls"].get("mode", TlsMode.ACTIVE_MTLS_BACKEND)
    if "skipMTLS" in conf:
        return TlsMode.DISABLED if conf["skipMTLS"] else TlsMode.ACTIVE_MTLS_BACKEND
    return ABSENT


@given(on_mesh=CONF, on_dataplane=st.none() | CONF, mtls=st.booleans())
def test_every_field_equals_the_highest_layer_that_sets_it(
    on_mesh: dict[str, Any], on_dataplane: dict[str, Any] | None, mtls: bool
) -> None:
    found = effective_metrics(metered(mtls=mtls, **on_mesh), dataplane(conf=on_dataplane))
    assert isinstance(found, EffectiveMetrics)
    confs = [on_mesh, on_dataplane or {}]

    assert found.port.value == highest(confs, "port", default=5670)
    assert found.path.value == highest(confs, "path", default="/metrics")
    assert found.filter_regex.value == highest(confs, "envoy", "filterRegex", default=None)
    assert found.used_only.value == highest(confs, "envoy", "usedOnly", default=False)
    assert found.application_label.value == highest(confs, "applicationLabel", default=None)
    assert found.agent_metrics.value == highest(confs, "agentMetrics", default=False)
    modes = [m for m in map(mode, confs) if m is not ABSENT]
    assert found.tls_mode.value == (modes[-1] if modes else TlsMode.ACTIVE_MTLS_BACKEND)
    assert found.tags.value == {**(on_mesh.get("tags") or DEFAULT_TAGS), **confs[1].get("tags", {})}

    entries = [{entry["name"]: entry for entry in conf.get("aggregate", ())} for conf in confs]
    assert [entry.name for entry in found.aggregate] == list(dict.fromkeys([*entries[0], *entries[1]]))
    for entry in found.aggregate:
        written = [named[entry.name] for named in entries if entry.name in named]
        assert entry.enabled.value == highest(written, "enabled", default=True)
        assert entry.port.value == highest(written, "port", default=None)
        assert entry.path.value == highest(written, "path", default="/metrics")
        assert entry.address.value == highest(written, "address", default="192.168.0.1")


@given(on_mesh=CONF, on_dataplane=st.none() | CONF, mtls=st.booleans())
def test_what_asks_for_protection_never_comes_out_plain(
    on_mesh: dict[str, Any], on_dataplane: dict[str, Any] | None, mtls: bool
) -> None:
    found = effective_metrics(metered(mtls=mtls, **on_mesh), dataplane(conf=on_dataplane))
    assert found is not None
    open_to_all = found.tls_mode.value is TlsMode.DISABLED or (
        found.tls_mode.value is TlsMode.ACTIVE_MTLS_BACKEND and not mtls
    )
    assert (found.transport is Transport.PLAIN) is open_to_all


@given(on_mesh=CONF, on_dataplane=st.none() | CONF)
def test_what_is_scraped_is_enabled_has_a_port_and_no_finding(
    on_mesh: dict[str, Any], on_dataplane: dict[str, Any] | None
) -> None:
    found = effective_metrics(metered(**on_mesh), dataplane(conf=on_dataplane))
    assert found is not None
    scraped = {source.name for source in found.sources}
    for entry in found.aggregate:
        assert (entry.name in scraped) == (entry.enabled.value and entry.refused is None)
        assert entry.port.value is not None or entry.name not in scraped

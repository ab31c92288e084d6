"""One Dataplane over another: what is written above holds, the rest comes from below."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.codec import decode, to_universal
from meshmeter.resources.overlay import overlay


def together(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """The two specs as one, each decoded without its rules: a part need not be whole."""
    base = {"type": "Dataplane", "mesh": "m", "name": "n", "networking": {"address": "127.0.0.1"}}
    one, other = decode(base | lower), decode(base | upper)
    shown = to_universal(one.__class__(one.kind, one.meta, overlay(one.spec, other.spec)))
    return {key: value for key, value in shown.items() if key in ("networking", "metrics", "probes")}


def conf(**written: Any) -> dict[str, Any]:
    return {"metrics": {"type": "prometheus", "conf": written}}


def test_messages_are_joined_field_by_field() -> None:
    found = together(
        conf(port=1, path="/a", envoy={"usedOnly": True}), conf(port=2, envoy={"filterRegex": "x"})
    )
    assert found["metrics"]["conf"] == {
        "port": 2,
        "path": "/a",
        "envoy": {"usedOnly": True, "filterRegex": "x"},
    }


def test_false_and_empty_are_written_too() -> None:
    found = together(
        conf(agentMetrics=True, applicationLabel="app"), conf(agentMetrics=False, applicationLabel="")
    )
    assert found["metrics"]["conf"] == {"agentMetrics": False, "applicationLabel": ""}


def test_entries_are_joined_by_name_and_keep_their_order() -> None:
    lower = conf(aggregate=[{"name": "a", "port": 1, "path": "/a"}, {"name": "b", "port": 2}])
    upper = conf(aggregate=[{"name": "c", "port": 3}, {"name": "a", "port": 9}])
    assert together(lower, upper)["metrics"]["conf"]["aggregate"] == [
        {"name": "a", "port": 9, "path": "/a"},
        {"name": "b", "port": 2},
        {"name": "c", "port": 3},
    ]


def test_a_list_or_a_tag_set_is_one_value() -> None:
    one = {"port": 80, "tags": {"kuma.io/service": "web", "env": "prod"}}
    other = {"port": 81, "tags": {"kuma.io/service": "api"}}
    found = together(
        {"networking": {"address": "127.0.0.1", "inbound": [one]}, **conf(tags={"a": "1"})},
        {"networking": {"address": "127.0.0.2", "inbound": [other]}, **conf(tags={"b": "2"})},
    )
    assert found["networking"] == {"address": "127.0.0.2", "inbound": [other]}
    assert found["metrics"]["conf"]["tags"] == {"b": "2"}


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ({"skipMTLS": False}, {"tls": {"mode": "disabled"}}),
        ({"tls": {"mode": "disabled"}}, {"skipMTLS": False}),
        (
            {"aggregate": [{"name": "a", "bearerTokenFile": "/t"}]},
            {"aggregate": [{"name": "a", "basicAuthFile": "/u"}]},
        ),
        (
            {"aggregate": [{"name": "a", "tls": {"caFile": "/c"}}]},
            {"aggregate": [{"name": "a", "tls": {"insecureSkipVerify": True}}]},
        ),
    ],
)
def test_of_two_that_exclude_each_other_the_upper_one_stays_alone(
    lower: dict[str, Any], upper: dict[str, Any]
) -> None:
    assert together(conf(**lower), conf(**upper))["metrics"]["conf"] == upper


def test_a_gateway_has_none_of_the_inbounds_below() -> None:
    inbound = [{"port": 80, "tags": {"kuma.io/service": "web"}}]
    gateway = {"tags": {"kuma.io/service": "gw"}}
    found = together(
        {"networking": {"address": "127.0.0.1", "inbound": inbound}},
        {"networking": {"address": "127.0.0.1", "gateway": gateway}},
    )
    assert found["networking"] == {"address": "127.0.0.1", "gateway": gateway}

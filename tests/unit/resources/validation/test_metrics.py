from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.metrics import PrometheusConf
from meshmeter.resources.validation.metrics import backend_type_violations, conf_violations, regex_fault


def faults(conf: dict[str, Any]) -> list[str]:
    return [str(v) for v in conf_violations(PrometheusConf.model_validate(conf), "conf")]


def test_prometheus_is_the_only_type() -> None:
    assert list(backend_type_violations("prometheus", "type")) == []
    for other in (None, "", "Prometheus"):
        (fault,) = backend_type_violations(other, "type")
        assert fault.reason == 'unknown backend type. Available backends: "prometheus"'


@pytest.mark.parametrize(
    ("skip", "tls", "contradicts"),
    [
        (False, {"mode": "activeMTLSBackend"}, False),
        (False, {}, False),
        (True, {"mode": "disabled"}, False),
        (True, {}, True),
        (True, {"mode": "activeMTLSBackend"}, True),
        (False, {"mode": "disabled"}, True),
        (False, {"mode": "providedTLS"}, True),
        (None, {"mode": "providedTLS"}, False),
        (True, None, False),
    ],
)
def test_both_spellings_of_tls_have_to_agree(
    skip: bool | None, tls: dict[str, str] | None, contradicts: bool
) -> None:
    reason = "conf: skipMTLS and tls configuration cannot be defined together"

    assert faults({"skipMTLS": skip, "tls": tls}) == ([reason] if contradicts else [])


def test_every_fault_of_a_conf_is_named() -> None:
    conf = {
        "port": 70000,
        "path": "/a?b",
        "tags": {"a": ""},
        "envoy": {"filterRegex": "(?="},
        "aggregate": [
            {"name": "app", "port": 0},
            {"name": "app", "path": "x"},
            {"address": "http://x"},
            {"address": "app.local"},
        ],
    }

    assert faults(conf) == [
        "conf.port: port must be in the range [1, 65535]",
        "conf.path: path must not contain a query, a fragment, white space or control characters",
        'conf.tags["a"]: tag value must be non-empty',
        "conf.envoy.filterRegex: provided regexp isn't correct: invalid perl operator: (?=",
        "conf.aggregate[0].port: port must be in the range [1, 65535]",
        "conf.aggregate[1].name: duplicate entry: app, values have to be unique",
        'conf.aggregate[1].path: path must start with "/"',
        "conf.aggregate[2].address: address has to be valid IP address or domain name",
        "conf.aggregate[3].name: duplicate entry: , values have to be unique",
    ]


@pytest.mark.parametrize("expression", ["http2_act.*", "", "^cluster\\.", "[[:alpha:]]", "(?i)x"])
def test_what_re2_takes(expression: str) -> None:
    assert regex_fault(expression) is None


@pytest.mark.parametrize(
    "expression", ["(", "**", "a{1001}", "\\1", "(?=a)", "\ud800", "((a{100}){100}){100}"]
)
def test_what_re2_refuses(expression: str) -> None:
    assert regex_fault(expression)


@pytest.mark.parametrize("label", ["app", "_entry", "App2", ""])
def test_an_application_label_can_be_any_label_of_prometheus(label: str) -> None:
    assert faults({"applicationLabel": label}) == []


@pytest.mark.parametrize("label", ["1app", "my-app", "a.b", "__name__", "le", "quantile", "instance", "ä"])
def test_an_application_label_that_cannot_be_one_is_refused(label: str) -> None:
    (fault,) = faults({"applicationLabel": label})
    assert fault.startswith("conf.applicationLabel: ")

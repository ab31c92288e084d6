from __future__ import annotations

from meshmeter.resources.metrics import MetricsTls, PrometheusConf, TlsMode


def test_the_wire_names_are_kuma_s() -> None:
    conf = PrometheusConf.model_validate(
        {
            "skipMTLS": False,
            "tls": {"mode": "providedTLS"},
            "envoy": {"filterRegex": "a", "usedOnly": True},
        }
    )

    assert conf.skip_mtls is False
    assert conf.tls == MetricsTls(mode=TlsMode.PROVIDED_TLS)
    assert conf.envoy is not None
    assert (conf.envoy.filter_regex, conf.envoy.used_only) == ("a", True)


def test_what_is_not_written_is_none() -> None:
    assert PrometheusConf().model_dump(exclude_none=True) == {}

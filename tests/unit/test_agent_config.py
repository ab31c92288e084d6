"""What the agent is told to scrape."""

from __future__ import annotations

from typing import Any

from meshmeter import agent_config
from meshmeter.effective.metrics import effective_metrics
from meshmeter.scrape.config import ScrapeConfig, SourceConfig, SourceOptions
from support.resources import dataplane, mesh, metered


def config(conf: dict[str, Any], *, mtls: bool = False) -> ScrapeConfig:
    subject = dataplane()
    return agent_config.build(subject, effective_metrics(metered(mtls=mtls, **conf), subject))


def test_the_enabled_entries_in_declared_order() -> None:
    built = config(
        {
            "aggregate": [
                {"name": "b", "port": 9000, "address": "127.0.0.1"},
                {"name": "off", "port": 1, "enabled": False},
                {"name": "no-port"},
                {"name": "a", "port": 9001, "path": "/stats"},
            ],
            "envoy": {"filterRegex": "http2_act.*", "usedOnly": True},
        }
    )
    assert built.enabled
    assert (built.mesh, built.dataplane) == ("default", "backend-1")
    assert built.sources == (
        SourceConfig("b", "127.0.0.1", 9000, "/metrics"),
        SourceConfig("a", "192.168.0.1", 9001, "/stats"),
    )
    assert (built.filter_regex, built.used_only) == ("http2_act.*", True)


def test_the_endpoint_itself_is_told_so_that_nothing_leads_there() -> None:
    built = config({"port": 5671})
    assert (built.metrics_address, built.metrics_port) == ("192.168.0.1", 5671)


def test_an_empty_filter_is_none() -> None:
    assert config({"envoy": {"filterRegex": ""}}).filter_regex is None


def test_disabled_when_metrics_are_off_or_may_not_be_served() -> None:
    subject = dataplane()
    off = agent_config.build(subject, effective_metrics(mesh("default"), subject))
    refused = config({"port": 8080, "aggregate": [{"name": "a", "port": 1}]})
    assert not off.enabled and not refused.enabled
    assert refused.sources == ()


def test_the_version_is_the_content() -> None:
    plain, filtered = config({}), config({"envoy": {"usedOnly": True}})
    assert plain == config({"port": 5670}) and plain.version
    assert plain.version != filtered.version


def test_it_survives_the_wire() -> None:
    built = config({"aggregate": [{"name": "a", "port": 1}]})
    assert ScrapeConfig.from_json(built.to_json()) == built


def test_the_application_label_is_passed_on_and_can_be_removed() -> None:
    assert config({"applicationLabel": "app"}).application_label == "app"
    assert config({"applicationLabel": ""}).application_label is None
    assert config({}).application_label is None


def test_agent_metrics_are_passed_on() -> None:
    assert config({"agentMetrics": True}).agent_metrics
    assert not config({"agentMetrics": False}).agent_metrics
    assert not config({}).agent_metrics


def test_options_of_an_entry_are_passed_on() -> None:
    entry = {
        "name": "a",
        "unixSocket": "/run/app.sock",
        "params": {"b": "2", "a": "1"},
        "timeout": "500ms",
        "limits": {"bodyBytes": 10, "labelNameBytes": 4},
    }
    (source,) = config({"aggregate": [entry]}).sources
    assert source == SourceConfig(
        "a",
        "192.168.0.1",
        0,
        "/metrics",
        SourceOptions(
            params=(("a", "1"), ("b", "2")),
            timeout=0.5,
            unix_socket="/run/app.sock",
            body_bytes=10,
            label_name_bytes=4,
        ),
    )

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

import pytest

from meshmeter.controlplane.options import OPTIONS
from meshmeter.controlplane.settings import Settings, load_settings
from meshmeter.errors import SettingsError

EXAMPLES: Mapping[str, tuple[str, object]] = {
    "data_dir": ("/var/lib/meshmeter", Path("/var/lib/meshmeter")),
    "bind": ("::1", "::1"),
    "tls_bind": ("0.0.0.0", "0.0.0.0"),
    "api_port": ("0", 0),
    "dataplane_api_port": ("15682", 15682),
    "ads_port": ("15678", 15678),
    "discovery_port": ("15676", 15676),
    "diagnostics_port": ("65535", 65535),
    "names": ("cp.example, 10.0.0.1", ("cp.example", "10.0.0.1")),
    "insecure_http": ("true", True),
    "default_mesh": ("false", False),
    "zone": ("east-1", "east-1"),
    "deregistration_delay": ("1m30s", 90.0),
    "allowed_networks": ("10.0.0.0/8,fd00::/8", (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))),
    "fetch_timeout": ("250ms", 0.25),
    "store_check_interval": ("0", 0.0),
    "max_connections": ("100", 100),
    "max_connections_per_client": ("10", 10),
    "proxy_max_connections": ("7", 7),
    "registrations_per_token": ("20", 20),
    "dataplanes_per_token": ("30", 30),
    "identities_per_token": ("40", 40),
    "max_inbounds": ("50", 50),
    "max_outbounds": ("60", 60),
    "max_tags": ("70", 70),
    "max_aggregate_entries": ("80", 80),
    "max_document_bytes": ("90000", 90000),
    "log_format": ("json", "json"),
    "log_level": ("DEBUG", "debug"),
}
"""For every option a text that is not its default, and what it means."""


def load(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    return load_settings(flags or {}, environ or {})


def fault(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(flags, environ)
    return str(caught.value)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "control-plane.yaml"


def test_the_options_are_the_settings() -> None:
    assert [option.name for option in OPTIONS] == [field.name for field in dataclasses.fields(Settings)]
    assert list(EXAMPLES) == [option.name for option in OPTIONS]


def test_without_anything_the_defaults_hold_as_they_are_told() -> None:
    assert load() == Settings()
    told = {option.name: option.default for option in OPTIONS if option.default}
    assert load(told) == Settings()


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_option_can_come_from_every_source(name: str, config: Path) -> None:
    text, value = EXAMPLES[name]
    option = next(option for option in OPTIONS if option.name == name)
    assert option.flag == "--" + name.replace("_", "-")
    assert getattr(load({name: text}), name) == value != getattr(Settings(), name)
    assert getattr(load({}, {option.variable: text}), name) == value
    for key in (name, name.replace("_", "-")):
        config.write_text(f'{key}: "{text}"\n')
        assert getattr(load({"config": str(config)}), name) == value


def test_flags_win_over_variables_and_these_over_the_file(config: Path) -> None:
    config.write_text("api_port: 1\nads_port: 1\ndiscovery_port: 1\ndefault-mesh: false\n")
    environ = {"MESHMETER_ADS_PORT": "2", "MESHMETER_DISCOVERY_PORT": "2", "MESHMETER_CONFIG": str(config)}
    settings = load({"discovery_port": 3, "bind": None}, environ)
    assert (settings.api_port, settings.ads_port, settings.discovery_port) == (1, 2, 3)
    assert settings.default_mesh is False


def test_the_flag_for_the_file_wins_over_its_variable(config: Path) -> None:
    config.write_text("api_port: 1\n")
    assert load({"config": str(config)}, {"MESHMETER_CONFIG": "/none"}).api_port == 1


def test_an_empty_variable_counts_as_absent() -> None:
    environ = {option.variable: "" for option in OPTIONS}
    assert load({}, {**environ, "MESHMETER_CONFIG": ""}) == Settings()


def test_an_empty_file_says_nothing(config: Path) -> None:
    config.write_text("# nothing yet\n")
    assert load({"config": str(config)}) == Settings()


def test_yaml_values_have_their_natural_form(config: Path) -> None:
    config.write_text(
        "api_port: 1234\nderegistration_delay: 2.5\ndefault_mesh: no\n"
        "names: [cp.example, '10.0.0.1']\nallowed_networks:\n  - 10.0.0.0/8\n"
    )
    settings = load({"config": str(config)})
    assert settings.api_port == 1234
    assert settings.deregistration_delay == 2.5
    assert settings.default_mesh is False
    assert settings.names == ("cp.example", "10.0.0.1")
    assert settings.allowed_networks == (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("api_port", "65536", "is not a port, which is a number from 0 to 65535"),
        ("api_port", "-1", "is not a port"),
        ("api_port", "٣", "is not a port"),
        ("api_port", "http", "is not a port"),
        ("bind", "10.0.0.300", "is neither a host name nor an IP address"),
        ("bind", "fe80::1%eth0", "is neither a host name"),
        ("tls_bind", "https://cp", "is neither a host name"),
        ("names", "cp.example,münchen", "has 'münchen', which is neither a host name nor an IP address"),
        ("insecure_http", "perhaps", "is neither true nor false"),
        ("deregistration_delay", "-5s", "is not between 0 and 365d"),
        ("deregistration_delay", "5 parsecs", "is not a duration such as 10s, 1m30s or 72h"),
        ("fetch_timeout", "nan", "is not a duration"),
        ("max_connections", "0", "is not a number from 1"),
        ("max_connections_per_client", "-1", "is not a number from 1"),
        ("fetch_timeout", "999999999h", "is not between 0 and 365d"),
        (
            "allowed_networks",
            "10.0.0.1/8",
            "is no list of networks such as 10.0.0.0/8: 10.0.0.1/8 has host bits",
        ),
        ("allowed_networks", "all", "is no list of networks"),
        ("zone", "ea st", "is no tag value"),
        ("log_format", "xml", "is none of console, json"),
        ("log_level", "loud", "is none of debug, info, warning, error"),
        ("data_dir", " ", "is not a path"),
    ],
)
def test_a_bad_value_is_named_as_it_was_written(name: str, text: str, reason: str, config: Path) -> None:
    option = next(option for option in OPTIONS if option.name == name)
    key = name.replace("_", "-")
    config.write_text(f'{key}: "{text}"\n')
    assert fault({name: text}).startswith(f"{option.flag}: {text!r} {reason}")
    assert fault({}, {option.variable: text}).startswith(f"{option.variable}: {text!r} {reason}")
    assert fault({"config": str(config)}).startswith(f"{config}: {key}: {text!r} {reason}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("api_port: true", "api_port: True is not a port"),
        ("api_port: 1.5", "api_port: 1.5 is not a port"),
        ("api_port:", "api_port: has no value"),
        ("data_dir: 7", "data_dir: 7 is not a path"),
        ("names: {a: b}", "is not a list of texts"),
        ("names: [1]", "is not a list of texts"),
        ("deregistration_delay: true", "is not a duration"),
        ("api_prot: 1", "unknown key 'api_prot', did you mean \"api_port\"?"),
        ("colour: blue", "unknown key 'colour'; known keys: ads_port, allowed_networks,"),
        ("api-port: 1\napi_port: 2", "api_port is there twice, with - and with _: keep one"),
        ("api_port: 1\napi_port: 2", "api_port"),
        ("- api_port", ""),
        ("api_port: [", ""),
        ("api_port: 1\n---\nads_port: 2", "has 2 documents, must be one mapping of settings"),
        ("api_port: \x00", ""),
        (
            "a: &a [x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nnames: [*b, *b, *b, *b, *b, *b, *b, *b]",
            "",
        ),
    ],
)
def test_a_bad_file_is_refused_and_named(text: str, reason: str, config: Path) -> None:
    config.write_text(text)
    message = fault({"config": str(config)})
    assert message.startswith(str(config)) and reason in message


def test_a_file_that_cannot_be_read_is_named_with_who_named_it(tmp_path: Path, config: Path) -> None:
    where = f"cannot read {config}: No such file or directory"
    assert fault({"config": str(config)}) == f"--config: {where}"
    assert fault({}, {"MESHMETER_CONFIG": str(config)}) == f"MESHMETER_CONFIG: {where}"
    assert (
        fault({"config": str(tmp_path)})
        == f"--config: cannot read {tmp_path}: it is a directory, not a regular file"
    )
    config.write_bytes(b"\xff\xfe\x00")
    assert fault({"config": str(config)}).startswith(str(config))


# Leaving loopback


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "10.0.0.1", "cp.example"])
def test_plain_http_leaves_loopback_only_if_told(bind: str) -> None:
    assert not load({"bind": bind}).plain_http
    assert load({"bind": bind, "insecure_http": True}).plain_http


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_loopback_plain_http_is_enough(bind: str) -> None:
    assert load({"bind": bind}).plain_http
    assert load({"bind": bind, "tls_bind": "0.0.0.0"}).plain_http


def test_the_servers_with_tls_may_leave_loopback_alone() -> None:
    settings = load({"tls_bind": "0.0.0.0"})
    assert (settings.bind, settings.bind_with_tls) == ("127.0.0.1", "0.0.0.0")

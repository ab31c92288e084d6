from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.cli import Cli


def config(offline: Cli, *arguments: str) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(offline.ok("prometheus", "config", *arguments))
    return made


def test_without_a_control_plane_it_is_the_usual_address(offline: Cli) -> None:
    job, _ = config(offline)["scrape_configs"]
    assert job["http_sd_configs"][0]["url"] == "http://127.0.0.1:5676/v1/targets"


def test_the_data_directory_says_where_discovery_is(offline: Cli, tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_text(json.dumps({"discovery": "https://127.0.0.1:4711"}))
    job, _ = config(offline, "--data-dir", str(tmp_path), "--sd", "kuma")["scrape_configs"]
    (found,) = job["kuma_sd_configs"]
    assert found["server"] == "https://127.0.0.1:4711"
    assert found["tls_config"] == {"ca_file": str(tmp_path / "ca.crt")}


def test_the_options_find_their_places(offline: Cli) -> None:
    made = config(
        offline,
        *("--mode", "direct", "--discovery-address", "https://cp:1", "--discovery-token-file", "/t"),
        *(
            "--discovery-ca-file",
            "/ca",
            "--identity-dir",
            "/id",
            "--provided-ca-file",
            "/p",
            "--interval",
            "5s",
        ),
    )
    assert made["global"]["scrape_interval"] == "5s"
    mesh, provided = made["scrape_configs"]
    (found,) = mesh["http_sd_configs"]
    assert found["url"] == "https://cp:1/v1/targets?mesh=default&direct=true"
    assert found["authorization"]["credentials_file"] == "/t" and found["tls_config"] == {"ca_file": "/ca"}
    assert mesh["tls_config"]["key_file"] == "/id/tls.key"
    assert provided["tls_config"] == {"ca_file": "/p"}
    sidecar, _ = config(offline, "--mode", "sidecar", "--proxy-url", "http://[::1]:1")["scrape_configs"]
    assert sidecar["proxy_url"] == "http://[::1]:1"


def test_no_yaml_aliases(offline: Cli) -> None:
    shown = offline.ok("prometheus", "config", "--mode", "direct")
    assert "&id" not in shown and "*id" not in shown


@pytest.mark.parametrize(
    "arguments", [("--interval", "soon"), ("--interval", "0s"), ("--mode", "none"), ("--sd", "x")]
)
def test_wrong_usage_is_2(offline: Cli, arguments: tuple[str, ...]) -> None:
    assert offline("prometheus", "config", *arguments).code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--proxy-url", "http://127.0.0.1:1"), "--proxy-url has no effect with --mode plain"),
        (("--identity-dir", "/id"), "--identity-dir has no effect with --mode plain"),
        (("--mode", "direct", "--proxy-url", "http://127.0.0.1:1"), "use --mode sidecar"),
        (("--mode", "sidecar", "--identity-dir", "/id"), "use --mode direct"),
        (("--discovery-ca-file", "/ca"), "discovery is at http://127.0.0.1:5676, without TLS"),
    ],
)
def test_an_option_without_effect_is_refused(offline: Cli, arguments: tuple[str, ...], words: str) -> None:
    done = offline("prometheus", "config", *arguments)
    assert done.code == 2 and words in done.err and done.out == ""


@pytest.mark.parametrize("mode", ["plain", "sidecar", "direct"])
def test_provided_certificates_are_verified_in_every_mode(offline: Cli, mode: str) -> None:
    _, provided = config(offline, "--mode", mode, "--provided-ca-file", "/p")["scrape_configs"]
    assert provided["tls_config"] == {"ca_file": "/p"}

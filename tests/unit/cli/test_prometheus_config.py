"""Generated configurations. That a real Prometheus takes them: tests/integration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from meshmeter.cli.options import DiscoveryKind, ScrapeMode
from meshmeter.cli.prometheus_config import Access, Files, prometheus_config

HERE = Access("http://127.0.0.1:5676/")
EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "prometheus"


def jobs(mode: ScrapeMode, sd: DiscoveryKind = DiscoveryKind.HTTP, **more: Any) -> list[dict[str, Any]]:
    made = prometheus_config(mode, sd, more.pop("access", HERE), **more)
    found: list[dict[str, Any]] = made["scrape_configs"]
    return found


def test_plain_has_no_tls_but_that_of_provided_certificates() -> None:
    job, provided = jobs(ScrapeMode.PLAIN, files=Files(provided_ca=Path("/provided.crt")))
    assert job["http_sd_configs"] == [{"url": "http://127.0.0.1:5676/v1/targets", "refresh_interval": "15s"}]
    assert not {"tls_config", "proxy_url"} & set(job)
    assert provided["tls_config"] == {"ca_file": "/provided.crt"}
    assert job["relabel_configs"][0]["action"] == "drop"
    assert provided["relabel_configs"][0] == {**job["relabel_configs"][0], "action": "keep"}


def test_a_sidecar_is_asked_for_targets_of_the_mesh_and_only_those() -> None:
    mesh, provided = jobs(ScrapeMode.SIDECAR, proxy_url="http://127.0.0.1:1")
    assert mesh["proxy_url"] == "http://127.0.0.1:1" and "tls_config" not in mesh
    assert "proxy_url" not in provided
    https = {"source_labels": ["__scheme__"], "regex": "https"}
    assert mesh["relabel_configs"][0] == https | {"action": "drop"}
    assert provided["relabel_configs"][0] == https | {"action": "keep"}
    assert {"target_label": "job", "replacement": mesh["job_name"]} in provided["relabel_configs"]


@pytest.mark.parametrize("sd", DiscoveryKind)
def test_direct_verifies_the_server_and_is_told_https(sd: DiscoveryKind) -> None:
    mesh, provided = jobs(ScrapeMode.DIRECT, sd, files=Files(Path("/id"), Path("/provided.crt")))
    assert mesh["tls_config"] == {
        "cert_file": "/id/tls.crt",
        "key_file": "/id/tls.key",
        "ca_file": "/id/ca.crt",
    }
    assert provided["tls_config"] == {"ca_file": "/provided.crt"}
    assert "direct" in str(mesh[f"{sd}_sd_configs"]) and "direct" not in str(provided[f"{sd}_sd_configs"])
    assert provided["relabel_configs"][0] == {
        "source_labels": ["__scheme__"],
        "regex": "https",
        "action": "keep",
    }


def test_nothing_ever_skips_verification() -> None:
    for mode in ScrapeMode:
        assert "insecure_skip_verify" not in str(jobs(mode))


def test_the_mesh_is_selected_by_either_discovery() -> None:
    (http, _) = jobs(ScrapeMode.DIRECT, mesh="shop")
    assert http["http_sd_configs"][0]["url"].endswith("/v1/targets?mesh=shop&direct=true")
    (kuma, _) = jobs(ScrapeMode.DIRECT, DiscoveryKind.KUMA, mesh="shop")
    assert kuma["kuma_sd_configs"] == [{"server": "http://127.0.0.1:5676/direct", "refresh_interval": "15s"}]
    assert kuma["relabel_configs"][0] == {
        "source_labels": ["__meta_kuma_mesh"],
        "regex": "shop",
        "action": "keep",
    }


def test_discovery_with_tls_and_a_token() -> None:
    access = Access("https://cp:5676", Path("/token"), Path("/ca.crt"))
    for sd in DiscoveryKind:
        job, _ = jobs(ScrapeMode.PLAIN, sd, access=access)
        (found,) = job[f"{sd}_sd_configs"]
        assert found["authorization"] == {"type": "Bearer", "credentials_file": "/token"}
        assert found["tls_config"] == {"ca_file": "/ca.crt"}


def test_labels_of_tags_come_last_and_nothing_else_is_mapped() -> None:
    for mode in ScrapeMode:
        for job in jobs(mode):
            assert job["relabel_configs"][-1] == {"action": "labelmap", "regex": "__meta_kuma_label_(.+)"}


@pytest.mark.parametrize(
    ("interval", "timeout"),
    [
        ("2s", "2s"),
        ("500ms", "500ms"),
        ("15s", "10s"),
        ("1m", "10s"),
        ("1m30s", "10s"),
        ("1s500ms", "1s500ms"),
    ],
)
def test_the_timeout_is_never_longer_than_the_interval(interval: str, timeout: str) -> None:
    made = prometheus_config(ScrapeMode.PLAIN, DiscoveryKind.HTTP, HERE, interval=interval)
    assert made["global"] == {"scrape_interval": interval, "scrape_timeout": timeout}


@pytest.mark.parametrize("mode", [ScrapeMode.SIDECAR, ScrapeMode.DIRECT])
def test_the_examples_are_what_is_printed(mode: ScrapeMode) -> None:
    example = yaml.safe_load((EXAMPLES / f"{mode.value}.yml").read_text())
    assert example == prometheus_config(mode, DiscoveryKind.HTTP, HERE, mesh="default")

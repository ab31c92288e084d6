"""Kuma's stock scrape job in a real Prometheus: which labels the targets have, whatever tags somebody writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import kuma_sd as kuma_sd_client
from support.access import ask
from support.processes import ControlPlane, document, eventually, get
from support.prometheus import Prometheus, start_prometheus

ADDRESS, PORT = "127.0.0.9", 5670


def mesh(*, mtls: bool) -> str:
    security = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}
    return document(
        type="Mesh",
        name="default",
        metrics={"enabledBackend": "p", "backends": [{"name": "p", "type": "prometheus"}]},
        **({"mtls": security} if mtls else {}),
    )


def a_dataplane(name: str, **tags: str) -> str:
    inbound = {"port": 8080, "servicePort": 8081, "tags": {"kuma.io/service": "web"} | tags}
    return document(
        type="Dataplane", mesh="default", name=name, networking={"address": ADDRESS, "inbound": [inbound]}
    )


def stock_job(discovery: dict[str, Any]) -> str:
    """As `kumactl install observability` prints it (kuma-facts 9.8)."""
    pod = {"k8s_kuma_io_name": "pod", "k8s_kuma_io_namespace": "namespace"}
    job = {
        "job_name": "kuma-dataplanes",
        "scrape_interval": "1s",
        "relabel_configs": [
            {"source_labels": ["__meta_kuma_mesh"], "regex": "(.*)", "target_label": "mesh"},
            {"source_labels": ["__meta_kuma_dataplane"], "regex": "(.*)", "target_label": "dataplane"},
            {"source_labels": ["__meta_kuma_service"], "regex": "(.*)", "target_label": "service"},
            {"action": "labelmap", "regex": "__meta_kuma_label_(.+)"},
            *(
                {"source_labels": [f"__meta_kuma_label_{tag}"], "regex": "(.+)", "target_label": label}
                for tag, label in pod.items()
            ),
        ],
        **discovery,
    }
    return yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]})


def kuma_sd(control_plane: ControlPlane, folder: Path, path: str = "") -> dict[str, Any]:
    """What `kuma_sd_configs` reads, as files: not every build of Prometheus has it."""
    url = kuma_sd_client.endpoint_url(control_plane.url("discovery") + path, "monitoringassignments")
    status, text = ask(url, method="POST", body={"node": {"id": "prometheus"}})
    assert status == 200, text
    answer = json.loads(text)
    found = kuma_sd_client.label_sets(answer["resources"], answer["type_url"])
    groups = [{"targets": [labels.pop("__address__")], "labels": labels} for labels in found]
    file = folder / f"targets{path.replace('/', '-')}.json"
    file.write_text(json.dumps(groups))
    return {"file_sd_configs": [{"files": [str(file)]}]}


def http_sd(control_plane: ControlPlane, _folder: Path, query: str = "") -> dict[str, Any]:
    url = control_plane.url("discovery") + "/v1/targets" + query
    return {"http_sd_configs": [{"url": url, "refresh_interval": "1s"}]}


def targets(prometheus: Prometheus) -> dict[str, tuple[str, dict[str, str]]]:
    """URL and labels of each target, by the name that discovery gave it."""
    answer = json.loads(get(f"{prometheus.url}/api/v1/targets")[1])["data"]
    assert not answer["droppedTargets"], answer
    return {
        each["discoveredLabels"]["__meta_kuma_dataplane"]: (each["scrapeUrl"], each["labels"])
        for each in answer["activeTargets"]
    }


def labels_of(name: str) -> dict[str, str]:
    return {
        "job": "kuma-dataplanes",
        "instance": name,
        "mesh": "default",
        "dataplane": name,
        "service": "web",
        "kuma_io_service": "web",
        "kuma_io_services": ",web,",
        "kuma_io_zone": "default",
        "kuma_io_zones": ",default,",
    }


HOSTILE = {
    "__address__": "127.0.0.1:1",
    "__scheme__": "https",
    "__metrics_path__": "evil",
    "__param_x": "evil",
    "//address__": "127.0.0.1:1",
    "__name__": "evil",
    "job": "evil",
    "instance": "evil",
    "mesh": "evil",
    "dataplane": "victim",
    "service": "db",
    "pod": "evil",
    "namespace": "evil",
    "k8s.kuma.io/name": "evil",
    "kuma_io_service": "db",
    "kuma.io/services": "db",
    "kuma.io/mesh-gateway": "evil",
}


@pytest.mark.attack("B2: tags that would be labels by which Prometheus is steered or told of another target")
@pytest.mark.parametrize("way", [kuma_sd, http_sd])
def test_hostile_tags_steer_nothing(control_plane: ControlPlane, tmp_path: Path, way: Any) -> None:
    control_plane.ok("apply", "-f", "-", stdin=mesh(mtls=False))
    control_plane.ok("apply", "-f", "-", stdin=a_dataplane("honest", version="v1"))
    control_plane.ok("apply", "-f", "-", stdin=a_dataplane("hostile", version="v1", **HOSTILE))
    eventually(lambda: "hostile" in get(control_plane.url("discovery") + "/v1/targets")[1], "the targets")
    job = stock_job(way(control_plane, tmp_path))
    prometheus = start_prometheus(control_plane.processes, tmp_path / "prometheus", job)
    eventually(lambda: len(targets(prometheus)) == 2, "both targets")
    more = {"version": "v1", "versions": ",v1,"}
    assert targets(prometheus) == {
        name: (f"http://{ADDRESS}:{PORT}/metrics", labels_of(name) | more) for name in ("honest", "hostile")
    }
    explained = control_plane.ok("explain", "dataplane", "hostile", "--mesh", "default", "-o", "json")
    codes = [found["code"] for found in json.loads(explained)["findings"]]
    assert {"tag-not-a-label", "tag-label-conflict"} <= set(codes)


def test_mtls_leaves_no_label_of_ours_behind(control_plane: ControlPlane, tmp_path: Path) -> None:
    control_plane.ok("apply", "-f", "-", stdin=mesh(mtls=True))
    control_plane.ok("apply", "-f", "-", stdin=a_dataplane("web-1"))
    eventually(lambda: "web-1" in get(control_plane.url("discovery") + "/v1/targets")[1], "the target")
    ways = {
        "kuma": (kuma_sd(control_plane, tmp_path), "http"),
        "http": (http_sd(control_plane, tmp_path), "http"),
        "kuma-direct": (kuma_sd(control_plane, tmp_path, "/direct"), "https"),
        "http-direct": (http_sd(control_plane, tmp_path, "?direct=true"), "https"),
    }
    for way, (discovery, scheme) in ways.items():
        prometheus = start_prometheus(control_plane.processes, tmp_path / way, stock_job(discovery))
        eventually(lambda p=prometheus: targets(p), f"the target by {way}")
        expected = {"web-1": (f"{scheme}://{ADDRESS}:{PORT}/metrics", labels_of("web-1"))}
        assert targets(prometheus) == expected, way

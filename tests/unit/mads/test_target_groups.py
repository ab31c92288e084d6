"""Target groups for http_sd_configs."""

from __future__ import annotations

from meshmeter.effective.metrics import effective_metrics
from meshmeter.mads.assignments import AssignmentSnapshot, build_assignment, build_snapshot
from meshmeter.mads.target_groups import target_groups
from support.resources import dataplane, metered


def snapshot(*places: tuple[str, str]) -> AssignmentSnapshot:
    built = []
    for mesh, name in places:
        subject = dataplane(name, mesh=mesh, inbound=[{"port": 1, "tags": {"kuma.io/service": name[:-2]}}])
        assignment = build_assignment(subject, effective_metrics(metered(mesh), subject))
        assert assignment is not None
        built.append(assignment)
    return build_snapshot(built)


def test_one_group_per_target_with_the_labels_of_kuma_sd() -> None:
    assert target_groups(snapshot(("default", "web-1"))) == [
        {
            "targets": ["192.168.0.1:5670"],
            "labels": {
                "__scheme__": "http",
                "__metrics_path__": "/metrics",
                "instance": "web-1",
                "__meta_kuma_mesh": "default",
                "__meta_kuma_service": "web",
                "__meta_kuma_dataplane": "web-1",
                "__meta_kuma_label_kuma_io_service": "web",
                "__meta_kuma_label_kuma_io_services": ",web,",
            },
        }
    ]


def test_mesh_and_service_select() -> None:
    everything = snapshot(("default", "web-1"), ("default", "api-1"), ("shop", "web-1"))

    def names(mesh: str | None = None, service: str | None = None) -> list[tuple[str, str]]:
        groups = target_groups(everything, mesh, service)
        return [(g["labels"]["__meta_kuma_mesh"], g["labels"]["instance"]) for g in groups]

    assert names() == [("default", "api-1"), ("default", "web-1"), ("shop", "web-1")]
    assert names(mesh="shop") == [("shop", "web-1")]
    assert names(service="web") == [("default", "web-1"), ("shop", "web-1")]
    assert names(mesh="default", service="web") == [("default", "web-1")]
    assert names(mesh="") == []


def test_direct_clients_get_the_scheme_of_the_endpoint_itself() -> None:
    subject = dataplane()
    assignment = build_assignment(subject, effective_metrics(metered(mtls=True), subject))
    assert assignment is not None
    groups = {direct: target_groups(build_snapshot([assignment]), direct=direct) for direct in (False, True)}
    assert groups[False][0]["labels"]["__scheme__"] == "http"
    assert groups[True][0]["labels"]["__scheme__"] == "https"
    assert groups[True][0]["labels"]["__meta_meshmeter_transport"] == "mtls"
    assert "__meta_meshmeter_transport" not in groups[False][0]["labels"]

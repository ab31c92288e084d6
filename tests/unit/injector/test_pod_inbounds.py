from __future__ import annotations

from typing import Any

import pytest

from meshmeter.injector.pod_inbounds import PodInbounds, inbounds_of
from meshmeter.resources.limits import Limits
from support.pods import container, pod, service


def served(pod: dict[str, Any], *services: dict[str, Any], **options: Any) -> PodInbounds:
    return inbounds_of(pod, services, owner="web", **options)


def ports(found: PodInbounds) -> list[tuple[int, str, str]]:
    return [(i["port"], i.get("name", ""), i["tags"]["kuma.io/service"]) for i in found.inbounds]


def test_target_ports_by_number_and_by_name() -> None:
    containers = [
        container("app", {"containerPort": 8080, "name": "http"}),
        container(
            "admin",
            {"containerPort": 9000, "name": "dns", "protocol": "UDP"},
            {"containerPort": 9001, "name": "dns"},
        ),
    ]
    found = served(
        pod(containers=containers),
        service(
            "a",
            {"port": 80, "targetPort": "http"},
            {"port": 81, "targetPort": 8080},
            {"port": 82, "targetPort": "dns"},
        ),
        service("b", {"port": 7000, "targetPort": 7001}, {"port": 7002}, {"port": 53, "protocol": "UDP"}),
    )
    assert ports(found) == [
        (8080, "http", "a_shop_svc_80"),
        (8080, "http", "a_shop_svc_81"),
        (9001, "dns", "a_shop_svc_82"),
        (7001, "", "b_shop_svc_7000"),
        (7002, "", "b_shop_svc_7002"),
    ]
    assert not found.findings


def test_init_containers_that_stay_serve_too() -> None:
    kept = container("kept", {"containerPort": 81, "name": "kept"}, restartPolicy="Always")
    gone = container("gone", {"containerPort": 82, "name": "gone"})
    found = served(
        pod(initContainers=[kept, gone]),
        service("web", {"port": 1, "targetPort": "kept"}, {"port": 2, "targetPort": "gone"}),
    )
    assert ports(found) == [(81, "kept", "web_shop_svc_1")]
    assert [f.code for f in found.findings] == ["pod-service-refused"]


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ({"port": 80, "targetPort": "nowhere"}, 'no container of the Pod has a TCP port named "nowhere"'),
        ({"port": 80, "targetPort": 65536}, "targetPort must be"),
        ({"port": 80, "targetPort": [1]}, "targetPort must be"),
        ({"port": 0}, "port must be"),
        ({"port": "80"}, "port must be"),
        ({}, "port must be"),
        (5, "port must be"),
        (None, "port must be"),
    ],
)
def test_a_bad_port_costs_only_itself(port: Any, words: str) -> None:
    found = served(pod(), service("web", port, {"port": 81}))
    assert ports(found) == [(81, "", "web_shop_svc_81")]
    (told,) = found.findings
    assert told.code == "pod-service-refused" and words in told.message and "'web'" in told.message


def test_a_service_whose_name_cannot_be_a_tag_costs_only_itself() -> None:
    found = served(pod(), service("w/eb"), service("good"))
    assert ports(found) == [(80, "", "good_shop_svc_80")]
    assert "k8s.kuma.io/service-name" in found.findings[0].message


def test_a_bad_label_costs_only_itself() -> None:
    found = served(pod(labels={"app": "web", "odd": "a b", "o dd": "x"}), service())
    assert found.inbounds[0]["tags"]["app"] == "web"
    assert not found.inbounds[0]["tags"].keys() & {"odd", "o dd"}
    assert [f.code for f in found.findings] == ["pod-label-refused"] * 2


def test_a_bad_protocol_of_an_annotation_is_tcp() -> None:
    found = served(pod(), service(metadata={"annotations": {"80.service.kuma.io/protocol": "Quic"}}))
    (inbound,), (told,) = found.inbounds, found.findings
    assert inbound["protocol"] == inbound["tags"]["kuma.io/protocol"] == "tcp"
    assert told.code == "pod-service-annotation-invalid" and '"quic"' in told.message


def test_limits() -> None:
    labels = {f"l{n:03}": "x" for n in range(80)}
    many = [{"port": n} for n in range(1, 6)]
    found = served(pod(labels=labels), service("web", *many), limits=Limits(inbounds=3, tags=10))
    assert [i["port"] for i in found.inbounds] == [1, 2, 3]
    assert all(
        len(i["tags"]) <= 10 and "l002" in i["tags"] and "l003" not in i["tags"] for i in found.inbounds
    )
    told = [(f.code, f.message.partition(":")[0]) for f in found.findings]
    assert told == [
        ("pod-label-refused", "77 labels do not become tags"),
        ("pod-service-refused", "2 ports of Services are left out"),
    ]


def test_a_pod_that_serves_nothing_of_a_service() -> None:
    udp = service("web", {"port": 53, "protocol": "UDP"})
    for found in (served(pod()), served(pod(), udp), served(pod(), service("none", ports=[]))):
        assert ports(found) == [(49151, "", "web_shop_svc")]


READY, NOT_READY = ({"health": {"ready": True}}, {"state": "NotReady", "health": {"ready": False}})


def states(pod: dict[str, Any], *services: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in i.items() if k in ("state", "health")} for i in served(pod, *services).inbounds]


def running(**ready: object) -> list[dict[str, object]]:
    return [{"name": name.replace("_", "-"), "ready": value} for name, value in ready.items()]


def test_an_inbound_is_as_ready_as_its_container() -> None:
    two = [container("a", {"containerPort": 80}), container("b", {"containerPort": 81})]
    web = service("web", {"port": 80}, {"port": 81}, {"port": 82})
    status = {"containerStatuses": running(a=True, b=False)}
    assert states(pod(containers=two, status=status), web) == [READY, NOT_READY, READY]
    assert states(pod(containers=two), web) == [READY] * 3
    assert states(pod(containers=two, status=status)) == [NOT_READY]


@pytest.mark.parametrize("place", ["containerStatuses", "initContainerStatuses"])
def test_nothing_is_ready_without_the_sidecar(place: str) -> None:
    assert states(pod(status={place: running(kuma_sidecar=False)}), service()) == [NOT_READY]
    assert states(pod(status={place: running(kuma_sidecar=True)}), service()) == [READY]
    assert states(pod(status={place: running(kuma_sidecar="yes")}), service()) == [NOT_READY]


def test_a_pod_that_is_going_takes_no_traffic() -> None:
    going = pod(metadata={"deletionTimestamp": "2026-11-25T12:00:00Z"})
    assert states(going, service()) == states(going) == [NOT_READY]

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshmeter.injector.pod_dataplane import Absence, NoDataplane, PodDataplane, dataplane_of, mesh_of
from meshmeter.injector.pod_services import services_of
from meshmeter.resources.codec import decode
from meshmeter.resources.dataplane import DataplaneMetrics, DataplaneSpec
from meshmeter.resources.limits import check_sizes
from meshmeter.resources.metrics import PrometheusConf
from meshmeter.resources.validation.rules import violations
from support.pods import pod, service


def made(pod: Any, *services: Any, **options: Any) -> PodDataplane:
    found = dataplane_of(pod, services, **options)
    assert isinstance(found, PodDataplane), found
    return found


def valid(found: PodDataplane) -> DataplaneSpec:
    """Its spec as the control plane reads and judges it."""
    document = json.loads(json.dumps(found.document()))
    check_sizes(document)
    resource = decode(document)
    assert violations(resource) == []
    assert isinstance(resource.spec, DataplaneSpec)
    return resource.spec


def namespace(**fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": "shop"}} | fields


def test_a_pod_behind_a_service() -> None:
    found = made(pod(metadata={"uid": "u-1"}), service(), zone="east")
    assert found.document() == {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "Dataplane",
        "mesh": "default",
        "metadata": {
            "name": "web-1",
            "namespace": "shop",
            "labels": {
                "app": "web",
                "k8s.kuma.io/namespace": "shop",
                "kuma.io/mesh": "default",
                "kuma.io/proxy-type": "sidecar",
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": "web-1",
                    "uid": "u-1",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "networking": {
                "address": "10.0.0.7",
                "inbound": [
                    {
                        "port": 80,
                        "protocol": "tcp",
                        "health": {"ready": True},
                        "tags": {
                            "app": "web",
                            "k8s.kuma.io/namespace": "shop",
                            "k8s.kuma.io/service-name": "web",
                            "k8s.kuma.io/service-port": "80",
                            "kuma.io/service": "web_shop_svc_80",
                            "kuma.io/protocol": "tcp",
                            "kuma.io/zone": "east",
                        },
                    }
                ],
            }
        },
    }
    assert not found.findings
    valid(found)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (pod(annotations={"kuma.io/sidecar-injected": "false"}), Absence.NOT_INJECTED),
        (pod(annotations={"kuma.io/sidecar-injected": "perhaps"}), Absence.NOT_INJECTED),
        (pod(metadata={"annotations": None}), Absence.NOT_INJECTED),
        (pod(status={"podIP": ""}), Absence.NO_ADDRESS),
        (pod(status={"podIP": None}), Absence.NO_ADDRESS),
        (pod(status={"phase": "Succeeded"}), Absence.FINISHED),
        (pod(status={"phase": "Failed"}), Absence.FINISHED),
        (pod(status={"phase": "Failed", "reason": "Evicted", "podIP": None}), Absence.EVICTED),
        (pod(status={"podIP": "169.254.169.254"}), Absence.ADDRESS_REFUSED),
        (pod(status={"podIP": "0.0.0.0"}), Absence.ADDRESS_REFUSED),
        (pod(status={"podIP": "somewhere"}), Absence.ADDRESS_REFUSED),
        (pod(labels={"kuma.io/mesh": "A B"}), Absence.MESH_REFUSED),
        (pod("Not a name"), Absence.UNREADABLE),
        (pod(metadata={"namespace": ""}), Absence.UNREADABLE),
        (pod(metadata={"namespace": "a.b!"}), Absence.UNREADABLE),
        ({}, Absence.UNREADABLE),
        (None, Absence.UNREADABLE),
    ],
)
def test_pods_without_a_dataplane(changed: Any, why: Absence) -> None:
    found = dataplane_of(changed, [service()])
    assert isinstance(found, NoDataplane)
    assert found.why == why and found.message
    assert not found.stays


def test_in_a_namespace_that_goes_nothing_is_touched() -> None:
    found = dataplane_of(pod(), [service()], namespace=namespace(status={"phase": "Terminating"}))
    assert isinstance(found, NoDataplane)
    assert found.why is Absence.NAMESPACE_TERMINATING and found.stays


@pytest.mark.parametrize(
    ("pod_fields", "namespace_metadata", "mesh"),
    [
        ({}, {}, "default"),
        ({}, {"annotations": {"kuma.io/mesh": "d"}}, "d"),
        ({}, {"labels": {"kuma.io/mesh": "c"}, "annotations": {"kuma.io/mesh": "d"}}, "c"),
        ({"annotations": {"kuma.io/mesh": "b"}}, {"labels": {"kuma.io/mesh": "c"}}, "b"),
        ({"labels": {"kuma.io/mesh": "a"}, "annotations": {"kuma.io/mesh": "b"}}, {}, "a"),
        ({"labels": {"kuma.io/mesh": ""}}, {"labels": {"kuma.io/mesh": "c"}}, "c"),
    ],
)
def test_the_mesh(pod_fields: dict[str, Any], namespace_metadata: dict[str, Any], mesh: str) -> None:
    around = namespace(metadata=namespace_metadata)
    assert mesh_of(pod(**pod_fields), around) == mesh
    found = made(pod(**pod_fields), namespace=around)
    assert found.mesh == found.labels["kuma.io/mesh"] == mesh


def owned_by(kind: str, name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "ownerReferences": [{"kind": kind, "name": f"{name}-owner"}]}}


@pytest.mark.parametrize(
    ("references", "owner", "called"),
    [
        ([], None, "web-1"),
        ([{"kind": "ReplicaSet", "name": "rs"}], None, "rs"),
        ([{"kind": "ReplicaSet", "name": "rs"}], owned_by("Deployment", "rs"), "rs-owner"),
        ([{"kind": "ReplicaSet", "name": "rs"}], owned_by("Rollout", "rs"), "rs"),
        ([{"kind": "ReplicaSet", "name": "rs"}], owned_by("Deployment", "another"), "rs"),
        ([{"kind": "Job", "name": "job"}], owned_by("CronJob", "job"), "job-owner"),
        ([{"kind": "StatefulSet", "name": "db"}], None, "db"),
        ([{"kind": "Odd", "name": "a/b"}, 5, {"kind": "StatefulSet", "name": "db"}], None, "db"),
        ("text", None, "web-1"),
    ],
)
def test_a_pod_behind_nothing_is_called_after_its_owner(references: Any, owner: Any, called: str) -> None:
    found = made(pod(metadata={"ownerReferences": references}), owner=owner)
    (inbound,) = valid(found).networking.inbound  # type: ignore[union-attr,misc]  # there is one
    assert (inbound.port, inbound.tags["kuma.io/service"]) == (49151, f"{called}_shop_svc")  # type: ignore[index]


DEPLOYED = {"ownerReferences": [{"kind": "ReplicaSet", "name": "rs"}]}


@pytest.mark.parametrize(
    ("kind", "metadata", "tags"),
    [
        ("enabled", {}, {"kuma.io/service": "web_shop_svc_80", "k8s.kuma.io/service-name": "web"}),
        ("provided", {}, {"kuma.io/service": "web_shop_svc_80", "k8s.kuma.io/service-name": "web"}),
        ("provided", DEPLOYED, {"kuma.io/service": "rs-owner_shop_svc"}),
    ],
)
def test_gateways(kind: str, metadata: dict[str, Any], tags: dict[str, str]) -> None:
    entry = pod(annotations={"kuma.io/gateway": kind}, metadata=metadata)
    if metadata:
        entry["metadata"]["annotations"]["kuma.io/gateway"] = kind
    found = made(
        entry, service("web", {"port": 80, "appProtocol": "http"}), owner=owned_by("Deployment", "rs")
    )
    networking = valid(found).networking
    assert networking is not None and networking.gateway is not None and networking.inbound is None
    assert tags.items() <= (networking.gateway.tags or {}).items()
    assert "kuma.io/protocol" not in (networking.gateway.tags or {})
    assert found.labels["kuma.io/proxy-type"] == "gateway"


@pytest.mark.parametrize("value", ["builtin", "true", "", 5])
def test_a_gateway_that_does_not_exist_is_an_ordinary_pod(value: Any) -> None:
    found = made(pod(annotations={"kuma.io/gateway": value}), service())
    assert "inbound" in found.spec["networking"]
    assert [f.code for f in found.findings] == ["pod-gateway-invalid"]


def test_metrics_and_annotations_are_added() -> None:
    metrics = DataplaneMetrics(type="prometheus", conf=PrometheusConf(port=1234))
    found = made(pod(), service(), metrics=metrics, annotations={"x": "y"})
    assert found.spec["metrics"] == {"type": "prometheus", "conf": {"port": 1234}}
    assert found.document()["metadata"]["annotations"] == {"x": "y"}
    assert valid(found).metrics == metrics


def test_the_workload() -> None:
    named = pod(labels={"team": "checkout", "app": "web"}, serviceAccountName="robot")
    assert made(named).labels["kuma.io/workload"] == "robot"
    assert made(named, workload_labels=["none", "team"]).labels["kuma.io/workload"] == "checkout"
    assert "kuma.io/workload" not in made(pod()).labels


def test_a_bad_label_costs_only_itself() -> None:
    found = made(pod(labels={"app": "web", "a/b/c": "x", "long": "v" * 70}), service())
    assert found.labels["app"] == "web" and not found.labels.keys() & {"a/b/c", "long"}
    assert {f.code for f in found.findings} == {"pod-label-refused"}
    valid(found)


# Whatever an API server, or whoever pretends to be one, gives

words = st.sampled_from(
    ["web", "web-1", "shop", "True", "true", "80", "http", "", "a/b", "x y", "\ud800", "é", "None"]
)
ports = st.sampled_from([80, 0, -1, 65535, 70000, 1 << 64, True, 80.5])
junk = st.recursive(
    st.none() | st.booleans() | ports | words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words | st.integers(), inner, max_size=2),
    max_leaves=4,
)


def mostly(usual: st.SearchStrategy[Any], strange: st.SearchStrategy[Any] = junk) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda dice: strange if dice == 9 else usual)


def odd(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object without some of these fields, or with junk in place of one or of itself."""
    return mostly(st.fixed_dictionaries({}, optional={k: mostly(v) for k, v in fields.items()}))


def many(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3)


KEYS = ("app", "kuma.io/mesh", "kuma.io/ignore", "80.service.kuma.io/protocol", "a/b/c")
GATEWAYS = st.fixed_dictionaries(
    {}, optional={"kuma.io/gateway": st.sampled_from(["enabled", "provided", "x"])}
)
maps = st.dictionaries(st.sampled_from(KEYS) | words, mostly(words), max_size=3)
selectors = mostly(st.sampled_from([{}, {"app": "web"}]), maps)
names = {
    "name": mostly(st.sampled_from(["web", "db"]), words),
    "namespace": st.just("shop"),
    "labels": maps,
    "annotations": maps,
}
references = many(odd(kind=st.sampled_from(["ReplicaSet", "Job", "StatefulSet"]), name=words))
containers = many(
    odd(
        name=words,
        restartPolicy=st.just("Always"),
        ports=many(odd(containerPort=ports, name=words, protocol=st.sampled_from(["TCP", "UDP"]))),
    )
)
statuses = many(odd(name=words | st.just("kuma-sidecar"), ready=st.booleans()))
pods = odd(
    metadata=odd(**names, ownerReferences=references, deletionTimestamp=words, uid=words),
    spec=odd(containers=containers, initContainers=containers, serviceAccountName=words),
    status=odd(
        phase=words, podIP=st.just("10.0.0.7"), containerStatuses=statuses, initContainerStatuses=statuses
    ),
)
alive = st.builds(
    lambda labels, annotations, gateway, spec: pod(labels=labels, annotations=annotations | gateway) | spec,
    st.builds(lambda more: {"app": "web"} | more, st.just({}) | maps),
    maps,
    GATEWAYS,
    st.fixed_dictionaries({}, optional={"spec": odd(containers=containers, initContainers=containers)}),
)
service_ports = many(
    st.builds(
        lambda number, rest: {"port": number} | rest if isinstance(rest, dict) else rest,
        ports,
        odd(targetPort=ports | words, appProtocol=words, protocol=st.sampled_from(["TCP", "UDP"])),
    )
)
plain = st.builds(
    lambda name, ports, more: service(name, *ports, **more),
    mostly(st.sampled_from(["web", "db"]), words),
    service_ports,
    st.fixed_dictionaries(
        {}, optional={"clusterIP": words, "selector": selectors, "metadata": st.fixed_dictionaries({**names})}
    ),
)
services = many(
    plain
    | odd(
        metadata=odd(**names), spec=odd(selector=selectors, clusterIP=words, type=words, ports=service_ports)
    )
)
slices = many(
    odd(
        metadata=odd(namespace=st.just("shop"), labels=st.just({"kubernetes.io/service-name": "web"})),
        endpoints=many(odd(targetRef=odd(kind=st.just("Pod"), name=words))),
    )
)
namespaces = odd(metadata=odd(**names), status=odd(phase=words))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pods | alive,
    services,
    slices,
    namespaces,
    odd(metadata=odd(name=words, ownerReferences=references)),
    maps | junk,
)
def test_whatever_the_objects_are_it_is_a_valid_dataplane_or_none(
    pod: Any, services: Any, slices: Any, namespace: Any, owner: Any, node_labels: Any
) -> None:
    chosen = services_of(pod, services, slices).services
    for served in (chosen, services):
        found = dataplane_of(pod, served, namespace=namespace, owner=owner, node_labels=node_labels)
        if isinstance(found, PodDataplane):
            valid(found)
        else:
            assert found.message.isprintable()


def test_more_than_a_dataplane_may_have_is_left_out() -> None:
    labels = {f"l{n:03}": "x" for n in range(100)} | {"app": "web"}
    found = made(pod(labels=labels), service("web", *({"port": n} for n in range(1, 400))))
    assert len(valid(found).networking.inbound) == 256  # type: ignore[union-attr,arg-type]  # there are some
    assert {f.code for f in found.findings} == {"pod-service-refused", "pod-label-refused"}

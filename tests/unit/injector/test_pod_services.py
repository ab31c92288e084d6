from __future__ import annotations

from typing import Any

import pytest

from meshmeter.injector.pod_services import PodServices, services_of
from support.pods import pod, service


def names(found: PodServices) -> list[str]:
    return [each["metadata"]["name"] for each in found.services]


def test_those_whose_whole_selector_fits_by_name() -> None:
    tiers = {"app": "web", "tier": "front"}
    found = services_of(
        pod(labels=tiers),
        [
            service("z", selector=tiers),
            service("b", selector={"app": "web"}),
            service("other", selector={"app": "db"}),
            service("more", selector=tiers | {"x": "y"}),
        ],
    )
    assert names(found) == ["b", "z"]
    assert not found.findings


@pytest.mark.parametrize(
    "other",
    [
        service(metadata={"namespace": "elsewhere"}),
        service(type="ExternalName"),
        service(metadata={"annotations": {"kuma.io/ignore": "true"}}),
        service(selector={}),
        service(selector=None),
        {},
        {"metadata": 5, "spec": []},
    ],
)
def test_those_that_do_not_count(other: dict[str, Any]) -> None:
    assert services_of(pod(), [other]) == PodServices((), ())


def test_a_service_without_a_selector_has_the_pods_of_its_slices() -> None:
    def piece(target: dict[str, str], namespace: str = "shop") -> dict[str, Any]:
        labels = {"kubernetes.io/service-name": "manual"}
        metadata = {"namespace": namespace, "name": "manual-1", "labels": labels}
        return {"metadata": metadata, "endpoints": [{"addresses": ["10.0.0.7"]}, {"targetRef": target}, 5]}

    manual = service("manual", selector=None)
    assert names(services_of(pod(), [manual], [piece({"kind": "Pod", "name": "web-1"})])) == ["manual"]
    for strange in (
        piece({"kind": "Pod", "name": "web-2"}),
        piece({"kind": "Node", "name": "web-1"}),
        piece({"kind": "Pod", "name": "web-1"}, "elsewhere"),
    ):
        assert names(services_of(pod(), [manual], [strange])) == []


def test_a_selector_that_cannot_be_read_costs_only_its_service() -> None:
    found = services_of(
        pod(), [service("odd", selector={"app": 5}), service("odder", selector=[]), service()]
    )
    assert names(found) == ["web"]
    assert [f.code for f in found.findings] == ["pod-service-refused"] * 2
    assert "'odd': spec.selector must be a map of texts" in found.findings[0].message


def test_an_ignore_that_cannot_be_read_ignores_nothing() -> None:
    annotated = service(metadata={"annotations": {"kuma.io/ignore": "maybe"}})
    found = services_of(pod(), [annotated])
    assert names(found) == ["web"]
    (told,) = found.findings
    assert told.code == "pod-service-annotation-invalid" and '"maybe"' in told.message
    off = service(metadata={"annotations": {"kuma.io/ignore": "false"}})
    assert names(services_of(pod(), [off])) == ["web"]

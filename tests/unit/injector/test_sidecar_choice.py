from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from meshmeter.errors import InjectionRefused
from meshmeter.injector.sidecar_choice import CONTAINER, LABEL, wants_sidecar


def labelled(labels: Mapping[str, str] | None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app"}], **spec}}


@pytest.mark.parametrize(
    ("of_the_pod", "of_the_namespace", "wanted"),
    [
        (None, None, False),
        (None, "enabled", True),
        (None, "true", True),
        (None, "disabled", False),
        ("enabled", None, True),
        ("yes", "disabled", True),
        ("disabled", "enabled", False),
        ("no", "enabled", False),
    ],
)
def test_the_label_of_the_pod_decides_else_that_of_its_namespace(
    of_the_pod: str | None, of_the_namespace: str | None, wanted: bool
) -> None:
    pod, namespace = (labelled({LABEL: value} if value else None) for value in (of_the_pod, of_the_namespace))

    assert wants_sidecar(pod, namespace) is wanted


def test_an_annotation_decides_nothing() -> None:
    annotated = {"metadata": {"annotations": {LABEL: "enabled"}}}

    assert not wants_sidecar(annotated, annotated)


def test_a_pod_that_is_an_exception_gets_none_whatever_its_labels_say() -> None:
    build = labelled({LABEL: "enabled", "openshift.io/build.name": "any"})

    assert not wants_sidecar(build, labelled({LABEL: "enabled"}))


@pytest.mark.parametrize(("value", "wanted"), [("job", False), ("web", True)])
def test_an_exception_may_be_of_one_value_alone(value: str, wanted: bool) -> None:
    pod = labelled({LABEL: "enabled", "kind": value})

    assert wants_sidecar(pod, labelled(None), {"kind": "job"}) is wanted


@pytest.mark.parametrize("field", ["containers", "initContainers"])
def test_a_pod_that_has_a_sidecar_gets_no_second(field: str) -> None:
    pod = labelled({LABEL: "enabled"}, **{field: [{"name": "app"}, {"name": CONTAINER}]})

    assert not wants_sidecar(pod, labelled(None))


@pytest.mark.parametrize(
    ("of_the_pod", "of_the_namespace", "where"),
    [({LABEL: "Enabled"}, {LABEL: "enabled"}, "the Pod"), ({}, {LABEL: ""}, "its namespace")],
)
def test_a_label_that_says_neither_refuses_the_pod(
    of_the_pod: dict[str, str], of_the_namespace: dict[str, str], where: str
) -> None:
    with pytest.raises(InjectionRefused) as refused:
        wants_sidecar(labelled(of_the_pod), labelled(of_the_namespace))

    value = of_the_pod.get(LABEL, of_the_namespace[LABEL])
    expected = f'annotation "{LABEL}" has wrong value "{value}": the label of {where} has to be "enabled" or "disabled"'
    assert str(refused.value) == expected

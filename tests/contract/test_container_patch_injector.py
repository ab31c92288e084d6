"""Which Pods get no sidecar, its variables, and ContainerPatches: what they make of a container, which ones a Pod may
name, and where they may be."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from contract.conformance import Case, load, vectors
from meshmeter.errors import InjectionRefused, InvalidResource
from meshmeter.injector.container_patch import ANNOTATION, ContainerPatches
from meshmeter.injector.sidecar_choice import CONTAINER, EXCEPTIONS, wants_sidecar
from meshmeter.injector.sidecar_variables import with_variables
from meshmeter.resources.codec import decode_container_patch

SYSTEM = "kuma-system"


@vectors("container-patch-injector", "patch-container")
def test_container(case: Case) -> None:
    field = case.data["target"]
    document = {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "ContainerPatch",
        "metadata": {"name": "p", "namespace": SYSTEM},
        "spec": {field: case.data["patches"]},
    }
    patches = ContainerPatches.chosen({ANNOTATION: "p"}, (), {"p": document}, system_namespace=SYSTEM)

    apply = {"sidecarPatch": patches.to_sidecar, "initPatch": patches.to_init}[field]

    assert apply(case.data["container"]) == case.data["expected"]


def without_patches(data: dict[str, Any]) -> str | None:
    """Why a Pod is refused for something else than its patches."""
    return (
        None if data.get("containerPatches") else "whole Pods are not injected yet, only patches are applied"
    )


@vectors("container-patch-injector", "fail", unless=without_patches)
def test_refused_pod(case: Case) -> None:
    stored = {}
    for name in case.data["containerPatches"]:
        document = yaml.safe_load((case.folder / name).read_text())
        stored[document["metadata"]["name"]] = document
    pod, config = case.yaml("pod"), case.yaml("config")

    with pytest.raises(InjectionRefused) as refused:
        patches = ContainerPatches.chosen(
            pod["metadata"].get("annotations", {}),
            config.get("containerPatches") or (),
            stored,
            system_namespace=SYSTEM,
        )
        patches.to_sidecar(pod["spec"]["containers"][0])

    assert case.data.get("errorContains", "") in str(refused.value)


@vectors("container-patch-injector", "admit-container-patch")
def test_admission(case: Case) -> None:
    reasons: list[str] = []
    try:
        decode_container_patch(case.data["object"], system_namespace=case.data["systemNamespace"])
    except InvalidResource as refused:
        reasons = [violation.reason for violation in refused.violations]

    assert case.data["allowed"] == (not reasons)
    assert case.data.get("message") in (None, *reasons)


@vectors("container-patch-injector", "skip")
def test_pod_without_a_sidecar(case: Case) -> None:
    exceptions = case.yaml("config").get("exceptions", {}).get("labels", EXCEPTIONS)

    assert not wants_sidecar(case.yaml("pod"), case.data["namespace"], exceptions)


def injected() -> list[Case]:
    """Cases whose Pods are injected. What they come to as a whole is not read yet, see contract/unread.py."""
    return load("container-patch-injector", "inject")


def test_pods_that_are_injected_want_a_sidecar() -> None:
    assert [c.id for c in injected() if not wants_sidecar(c.yaml("pod"), c.data["namespace"])] == []


def test_variables_that_users_set_are_those_of_the_injected_sidecar() -> None:
    for case in injected():
        annotations = case.yaml("pod")["metadata"].get("annotations", {})
        configured = case.yaml("config")["sidecarContainer"].get("envVars", {})
        containers = case.yaml("expected")["spec"]["containers"]
        (expected,) = (container["env"] for container in containers if container["name"] == CONTAINER)

        assert with_variables(expected, configured, annotations) == expected, case.id

"""Inbounds of a Pod: one for each port of each Service that it is behind (kuma-facts 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meshmeter.effective.findings import Finding, finding
from meshmeter.injector.objects import Object, at, port, sequence, text
from meshmeter.injector.pod_tags import (
    RESERVED_TAGS,
    label_tags,
    pod_tags,
    protocol_annotation,
    protocol_of,
    service_tags,
    tag_fault,
)
from meshmeter.injector.sidecar_choice import CONTAINER as SIDECAR
from meshmeter.quoting import quoted
from meshmeter.resources.dataplane import PROTOCOL_TAG
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits
from meshmeter.resources.validation.dataplane import is_protocol

NO_SERVICE_PORT = 49151
"""Port of the inbound of a Pod behind no Service. It only says who the Pod is: nothing listens there."""

_LONGEST_PORT_NAME = 63


@dataclass(frozen=True, slots=True)
class PodInbounds:
    """What a Pod serves."""

    inbounds: tuple[dict[str, Any], ...]
    """As in a Dataplane; at least one."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a port of a Service leads to in a Pod."""

    port: int
    name: str = ""
    containers: frozenset[str] = frozenset()
    """The container that declares the port, if one does."""


def inbounds_of(
    pod: Object,
    services: Iterable[Object],
    *,
    owner: str,
    zone: str = "",
    node_labels: Mapping[str, str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> PodInbounds:
    """Inbounds for the `services` that the Pod is behind, in this order. A Pod that serves no port of any has one that
    is called after its `owner`.

    Never raises: what cannot be read costs the port or the tag that it is about, and is a finding.
    """
    findings: list[Finding] = []
    unfit = _unfit_labels(pod, node_labels, limits, findings)
    inbounds: list[dict[str, Any]] = []
    left = 0
    for service in services:
        for service_port in sequence(service, "spec", "ports"):
            if at(service_port, "protocol") not in (None, "", "TCP"):
                continue
            if len(inbounds) >= limits.inbounds:
                left += 1
                continue
            made = _inbound(pod, service, service_port, zone, node_labels, unfit, findings)
            if isinstance(made, dict):
                inbounds.append(made)
                continue
            name = quoted(text(service, "metadata", "name"))
            message = f"Service {name!r}, port {_shown(service_port)}: {made}. The port is left out"
            findings.append(finding("pod-service-refused", message))
    if left:
        room = f"a Dataplane has at most {limits.inbounds} inbounds (max_inbounds)"
        message = f"{left} ports of Services are left out: {room}"
        findings.append(finding("pod-service-refused", message))
    if not inbounds:
        tags = _without(pod_tags(pod, owner, zone=zone, node_labels=node_labels), unfit)
        inbounds.append(
            {"port": NO_SERVICE_PORT, "protocol": "tcp", "tags": tags, **_state(pod, _applications(pod))}
        )
    return PodInbounds(tuple(inbounds), tuple(findings))


def _inbound(
    pod: Object,
    service: Object,
    service_port: object,
    zone: str,
    node_labels: Mapping[str, str] | None,
    unfit: set[str],
    findings: list[Finding],
) -> dict[str, Any] | str:
    """The inbound, or why there is none."""
    if not isinstance(service_port, Mapping) or port(service_port, "port") is None:
        return "port must be a number from 1 to 65535"
    target = _target(pod, service_port)
    if isinstance(target, str):
        return target
    tags = service_tags(pod, service, service_port, zone=zone, node_labels=node_labels)
    protocol = protocol_of(service, service_port)
    if not is_protocol(protocol):
        message = (
            f"Service {quoted(text(service, 'metadata', 'name'))!r}: annotation "
            f'"{protocol_annotation(service_port)}" has wrong value "{quoted(protocol)}". The port is taken for tcp'
        )
        findings.append(finding("pod-service-annotation-invalid", message))
        tags[PROTOCOL_TAG] = protocol = "tcp"
    tags = _without(tags, unfit)
    for name, value in tags.items():
        if reason := tag_fault(name, value):
            return f'the tag {name} would be "{quoted(value)}": {reason}'
    named = {"name": target.name} if target.name else {}
    return {
        "port": target.port,
        **named,
        "protocol": protocol,
        "tags": tags,
        **_state(pod, target.containers),
    }


def _target(pod: Object, service_port: Object) -> _Target | str:
    """Where the port leads to, or why it leads nowhere in this Pod."""
    wanted = at(service_port, "targetPort")
    named = wanted if isinstance(wanted, str) else ""
    number = None
    if not named:
        number = port(service_port, "targetPort" if wanted not in (None, 0, "") else "port")
        if number is None:
            return "targetPort must be the name of a port, or a number from 1 to 65535"
    for container in _serving_containers(pod):
        for declared in sequence(container, "ports"):
            found = port(declared, "containerPort")
            if found is None or at(declared, "protocol") not in (None, "", "TCP"):
                continue
            name = text(declared, "name")
            if (name == named) if named else (found == number):
                return _Target(found, name[:_LONGEST_PORT_NAME], frozenset({text(container, "name")}))
    if number is None:
        return f'no container of the Pod has a TCP port named "{quoted(named)}"'
    return _Target(number)


def _serving_containers(pod: Object) -> list[Any]:
    """All that run as long as the Pod does: also init containers that are restarted for ever."""
    init = sequence(pod, "spec", "initContainers")
    return [*sequence(pod, "spec", "containers"), *(c for c in init if at(c, "restartPolicy") == "Always")]


def _applications(pod: Object) -> frozenset[str]:
    return frozenset(text(container, "name") for container in sequence(pod, "spec", "containers"))


def _state(pod: Object, containers: frozenset[str]) -> dict[str, Any]:
    """Whether peers send traffic there: these containers and the proxy have to be ready, and the Pod has to stay. A
    container that nothing is known of counts as ready."""
    needed = containers | {SIDECAR}
    ready = not at(pod, "metadata", "deletionTimestamp") and all(
        status.get("ready") is True for status in _statuses(pod) if status["name"] in needed
    )
    return {"health": {"ready": True}} if ready else {"state": "NotReady", "health": {"ready": False}}


def _statuses(pod: Object) -> list[Object]:
    statuses = [
        *sequence(pod, "status", "containerStatuses"),
        *sequence(pod, "status", "initContainerStatuses"),
    ]
    return [{"name": text(s, "name"), "ready": at(s, "ready")} for s in statuses if isinstance(s, Mapping)]


def _unfit_labels(
    pod: Object, node_labels: Mapping[str, str] | None, limits: Limits, findings: list[Finding]
) -> set[str]:
    """The labels that cannot be tags, by name; of too many, the last ones."""
    unfit = set()
    room, left = limits.tags - RESERVED_TAGS, 0
    for name, value in label_tags(pod, node_labels).items():
        if reason := tag_fault(name, value):
            message = (
                f'label {quoted(name)!r} with value "{quoted(value)}": {reason}. It does not become a tag'
            )
            findings.append(finding("pod-label-refused", message))
        elif room > 0:
            room -= 1
            continue
        else:
            left += 1
        unfit.add(name)
    if left:
        message = f"{left} labels do not become tags: a Dataplane has at most {limits.tags} (max_tags)"
        findings.append(finding("pod-label-refused", message))
    return unfit


def _without(tags: Mapping[str, str], unfit: set[str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name not in unfit}


def _shown(service_port: object) -> str:
    number = port(service_port, "port")
    return str(number) if number else "without a number"

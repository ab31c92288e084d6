"""Whether a Pod is to be given a sidecar (kuma-facts 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from meshmeter.errors import InjectionRefused
from meshmeter.injector.objects import Object, sequence, text, texts
from meshmeter.resources.annotation_values import AnnotationError, flag

LABEL = "kuma.io/sidecar-injection"
"""Of a Pod, else of its namespace. An annotation of that name means nothing."""

CONTAINER = "kuma-sidecar"
"""Name of the container that is the sidecar."""

EXCEPTIONS: Mapping[str, str] = MappingProxyType(
    {"openshift.io/build.name": "*", "openshift.io/deployer-pod-for.name": "*"}
)
"""Labels of Pods that never get one, with their values; `*` is any value."""


def wants_sidecar(pod: Object, namespace: Object, exceptions: Mapping[str, str] = EXCEPTIONS) -> bool:
    """Of a Pod that is being made, and the namespace that it will be in.

    Raises InjectionRefused if the label that decides has another value than the six words for yes and no.
    """
    labels = texts(pod, "metadata", "labels")
    if any(name in labels and value in ("*", labels[name]) for name, value in exceptions.items()):
        return False
    containers = (*sequence(pod, "spec", "containers"), *sequence(pod, "spec", "initContainers"))
    if any(text(container, "name") == CONTAINER for container in containers):
        return False
    for where, found in (("the Pod", labels), ("its namespace", texts(namespace, "metadata", "labels"))):
        if LABEL in found:
            try:
                return flag(LABEL, found[LABEL])
            except AnnotationError as exc:
                raise InjectionRefused(
                    f'{exc}: the label of {where} has to be "enabled" or "disabled"'
                ) from exc
    return False

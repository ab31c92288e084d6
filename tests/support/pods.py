"""Kubernetes objects for tests, as the API server gives them."""

from __future__ import annotations

from typing import Any


def pod(
    name: str = "web-1",
    /,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    containers: list[dict[str, Any]] | None = None,
    metadata: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A running Pod of the namespace `shop` with a sidecar."""
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"app": "web"} if labels is None else labels,
            "annotations": {"kuma.io/sidecar-injected": "true"} | (annotations or {}),
        }
        | (metadata or {}),
        "spec": {"containers": [container("web")] if containers is None else containers} | spec,
        "status": {"phase": "Running", "podIP": "10.0.0.7"} | (status or {}),
    }


def container(name: str, *ports: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "ports": list(ports), **fields}


def service(
    name: str = "web", /, *ports: Any, metadata: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """A Service of the namespace `shop` in front of `pod()`, with port 80 unless others are given."""
    return {
        "metadata": {"name": name, "namespace": "shop"} | (metadata or {}),
        "spec": {"selector": {"app": "web"}, "ports": list(ports) or [{"port": 80}]} | spec,
    }

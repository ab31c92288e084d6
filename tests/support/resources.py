"""Resources for tests, written as the fields of their Universal form."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.resource import EPOCH, Meta, Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec


def mesh(name: str = "default", /, **fields: Any) -> Resource[MeshSpec]:
    """A Mesh with exactly these fields."""
    return Resource("Mesh", Meta(name), MeshSpec.model_validate(fields))


def metered(name: str = "default", /, *, mtls: bool = False, **conf: Any) -> Resource[MeshSpec]:
    """A Mesh whose backend `prometheus-1` is enabled with this `conf`."""
    fields: dict[str, Any] = {
        "metrics": {
            "enabledBackend": "prometheus-1",
            "backends": [{"name": "prometheus-1", "type": "prometheus", "conf": conf}],
        }
    }
    if mtls:
        fields["mtls"] = {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]}
    return mesh(name, **fields)


def dataplane(
    name: str = "backend-1",
    /,
    *,
    mesh: str = "default",
    address: str = "192.168.0.1",
    conf: dict[str, Any] | None = None,
    name_extensions: dict[str, str] | None = None,
    **networking: Any,
) -> Resource[DataplaneSpec]:
    """A Dataplane with one inbound of service `backend` unless `networking` says otherwise."""
    fields: dict[str, Any] = {
        "networking": {
            "address": address,
            "inbound": [{"port": 8080, "servicePort": 8081, "tags": {"kuma.io/service": "backend"}}],
        }
        | networking
    }
    if conf is not None:
        fields["metrics"] = {"type": "prometheus", "conf": conf}
    meta = Meta(name, mesh, name_extensions=name_extensions or {})
    return Resource("Dataplane", meta, DataplaneSpec.model_validate(fields))


def permission(
    name: str,
    /,
    *,
    sources: list[dict[str, str]],
    destinations: list[dict[str, str]],
    created: datetime = EPOCH,
    mesh: str = "default",
) -> Resource[TrafficPermissionSpec]:
    """A TrafficPermission from bare tag selectors."""
    spec = TrafficPermissionSpec.model_validate(
        {
            "sources": [{"match": tags} for tags in sources],
            "destinations": [{"match": tags} for tags in destinations],
        }
    )
    return Resource("TrafficPermission", Meta(name, mesh, creation_time=created), spec)


CONTAINER_PATCH = """
apiVersion: kuma.io/v1alpha1
kind: ContainerPatch
metadata:
  name: container-patch-1
  namespace: kuma-system
spec:
  sidecarPatch:
    - op: add
      path: /env/-
      value: '{
          "name": "KUMA_DATAPLANE_RUNTIME_METRICS_CERT_PATH",
          "value": "/kuma/server.crt"
        }'
    - op: add
      path: /env/-
      value: '{
          "name": "KUMA_DATAPLANE_RUNTIME_METRICS_KEY_PATH",
          "value": "/kuma/server.key"
        }'
"""
"""As users write one: the sidecar is told where the files of a certificate are."""

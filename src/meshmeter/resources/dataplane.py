"""Dataplane: one proxy, what it serves and whom it calls (kuma-facts 1.5)."""

from __future__ import annotations

from typing import Any

from meshmeter.resources.base import Model, Spec
from meshmeter.resources.metrics import PrometheusConf

KIND = "Dataplane"

SERVICE_TAG = "kuma.io/service"
PROTOCOL_TAG = "kuma.io/protocol"
ZONE_TAG = "kuma.io/zone"


class Health(Model):
    ready: bool | None = None


class Inbound(Model):
    """One port that the proxy receives for its application."""

    port: int | None = None
    service_port: int | None = None
    """Port of the application; absent means the same as `port`."""
    address: str | None = None
    service_address: str | None = None
    """Address of the application; absent means `address`, and without that `networking.address`."""
    tags: dict[str, str] | None = None
    protocol: str | None = None
    name: str | None = None
    state: str | None = None
    health: Health | None = None
    service_probe: dict[str, Any] | None = None


class Outbound(Model):
    """One local port behind which another service of the mesh is reached."""

    port: int | None = None
    address: str | None = None
    """Absent means 127.0.0.1."""
    tags: dict[str, str] | None = None
    backend_ref: dict[str, Any] | None = None


class Gateway(Model):
    tags: dict[str, str] | None = None
    type: str | None = None


class Admin(Model):
    port: int | None = None


class Networking(Model):
    address: str | None = None
    advertised_address: str | None = None
    """What peers and Prometheus use instead of `address`; Envoy still binds `address`."""
    inbound: tuple[Inbound, ...] | None = None
    outbound: tuple[Outbound, ...] | None = None
    gateway: Gateway | None = None
    admin: Admin | None = None
    transparent_proxying: dict[str, Any] | None = None


class DataplaneMetrics(Model):
    """The Dataplane's own metrics settings; they override those of the Mesh field by field."""

    name: str | None = None
    type: str | None = None
    conf: PrometheusConf | None = None


class DataplaneSpec(Spec):
    networking: Networking | None = None
    metrics: DataplaneMetrics | None = None
    probes: dict[str, Any] | None = None

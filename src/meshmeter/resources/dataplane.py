"""Dataplane: one proxy, what it serves and whom it calls (kuma-facts 1.5)."""

from __future__ import annotations

from typing import Any

from meshmeter.resources.base import Model, Port, Spec
from meshmeter.resources.metrics import PrometheusConf

KIND = "Dataplane"

SERVICE_TAG = "kuma.io/service"
PROTOCOL_TAG = "kuma.io/protocol"
ZONE_TAG = "kuma.io/zone"

BUILTIN_GATEWAY = "BUILTIN"
DELEGATED_GATEWAY = "DELEGATED"


class Health(Model):
    """What is known of the application's health."""

    ready: bool | None = None
    """False: peers do not send traffic here."""


class Inbound(Model):
    """One port that the proxy receives for its application."""

    port: Port | None = None
    """Port on which the proxy receives."""
    service_port: Port | None = None
    """Port of the application; absent means the same as `port`."""
    address: str | None = None
    """IP address on which the proxy receives; absent means `networking.address`."""
    service_address: str | None = None
    """Address of the application; absent means `address`, and without that `networking.address`."""
    tags: dict[str, str] | None = None
    """What this port serves; `kuma.io/service` is required, `kuma.io/protocol` chooses the metrics."""
    protocol: str | None = None
    """Protocol of the application, like the tag `kuma.io/protocol`."""
    name: str | None = None
    """A name for the port."""
    state: str | None = None
    """`Ready`, `NotReady` or `Ignored`."""
    health: Health | None = None
    """Older spelling of `state`."""
    service_probe: dict[str, Any] | None = None
    """Kept, without effect."""


class Outbound(Model):
    """One local port behind which another service of the mesh is reached."""

    port: Port | None = None
    """Port on which the proxy listens for the application."""
    address: str | None = None
    """IP address on which it listens; absent means 127.0.0.1."""
    tags: dict[str, str] | None = None
    """The service that is called; `kuma.io/service` is required."""
    backend_ref: dict[str, Any] | None = None
    """Instead of `tags`: the resource that is called. Kept, without effect."""


class Gateway(Model):
    """The proxy of a gateway, which has no inbounds."""

    tags: dict[str, str] | None = None
    """What the gateway is; `kuma.io/service` is required."""
    type: str | None = None
    """`DELEGATED` (the default) or `BUILTIN`."""


class Admin(Model):
    """The proxy's own administration interface."""

    port: Port | None = None
    """Its port on 127.0.0.1, where it has one."""


class MetricsProxy(Model):
    """A forward proxy for a Prometheus beside this proxy (an extension of ours)."""

    port: Port | None = None
    """Port on which the proxy listens for Prometheus, which names it in `proxy_url`."""
    address: str | None = None
    """Loopback address on which it listens; absent means 127.0.0.1."""


class Networking(Model):
    """Where the proxy listens and whom it calls."""

    address: str | None = None
    """IP address or host name that the proxy binds."""
    advertised_address: str | None = None
    """What peers and Prometheus use instead of `address`; Envoy still binds `address`."""
    inbound: tuple[Inbound, ...] | None = None
    """The ports that the proxy receives for its application."""
    outbound: tuple[Outbound, ...] | None = None
    """The local ports behind which other services are reached."""
    gateway: Gateway | None = None
    """Set for the proxy of a gateway."""
    admin: Admin | None = None
    """The proxy's own administration interface."""
    metrics_proxy: MetricsProxy | None = None
    """A forward proxy to the metrics endpoints of the mesh, for a Prometheus beside this proxy (an extension of
    ours)."""
    transparent_proxying: dict[str, Any] | None = None
    """Kept, without effect."""
    listeners: tuple[dict[str, Any], ...] | None = None
    """Listeners of a zone proxy. Kept, without effect."""


class DataplaneMetrics(Model):
    """The Dataplane's own metrics settings; they override those of the Mesh field by field."""

    name: str | None = None
    """Kept, without effect: the backend that the Mesh enables is overridden."""
    type: str | None = None
    """`prometheus`."""
    conf: PrometheusConf | None = None
    """The settings that differ from those of the Mesh."""


class DataplaneSpec(Spec):
    """Spec of a Dataplane."""

    networking: Networking | None = None
    """Where the proxy listens and whom it calls."""
    metrics: DataplaneMetrics | None = None
    """The Dataplane's own metrics settings."""
    probes: dict[str, Any] | None = None
    """Kept, without effect."""
    envoy: dict[str, Any] | None = None
    """Kept, without effect."""


def tag_values(spec: DataplaneSpec) -> dict[str, set[str]]:
    """All values of every tag of a Dataplane's inbounds and gateway."""
    found: dict[str, set[str]] = {}
    networking = spec.networking
    if networking is None:
        return found
    tag_sets = [inbound.tags for inbound in networking.inbound or ()]
    if networking.gateway is not None:
        tag_sets.append(networking.gateway.tags)
    for tags in tag_sets:
        for tag, value in (tags or {}).items():
            found.setdefault(tag, set()).add(value)
    return found

"""Rules for a Dataplane (kuma-facts 1.5, 3, deviations D8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from meshmeter.addresses import is_loopback, is_metadata, is_wildcard
from meshmeter.errors import Violation
from meshmeter.resources import paths, syntax
from meshmeter.resources.dataplane import (
    BUILTIN_GATEWAY,
    DELEGATED_GATEWAY,
    PROTOCOL_TAG,
    SERVICE_TAG,
    DataplaneMetrics,
    DataplaneSpec,
    Gateway,
    Inbound,
    MetricsProxy,
    Networking,
    Outbound,
)
from meshmeter.resources.metrics import PROMETHEUS
from meshmeter.resources.validation.metrics import backend_type_violations, conf_violations
from meshmeter.resources.validation.tags import service_tag_violations, tag_violations

PROTOCOLS = ("grpc", "http", "http2", "kafka", "tcp")
_ALSO_PROTOCOLS = ("mysql", "tls")
"""Accepted like tcp, and not recommended."""
_STATES = ("Ready", "NotReady", "Ignored")
_LOOPBACK = "127.0.0.1"

METADATA_REFUSED = "must be neither link-local nor where a cloud's metadata service answers"


def dataplane_violations(spec: DataplaneSpec) -> Iterator[Violation]:
    """Faults of `networking`, then of `metrics`, whatever sort of proxy it is (deviations D8)."""
    if spec.networking is None:
        yield Violation("networking", "must be defined")
    else:
        yield from _networking(spec.networking)
    if spec.networking and spec.networking.gateway and spec.probes is not None:
        if spec.networking.gateway.type == BUILTIN_GATEWAY:
            yield Violation("probes", "probes cannot be defined for builtin gateways")
    if spec.metrics is not None:
        yield from _metrics(spec.metrics)


def is_protocol(text: str) -> bool:
    """True for a protocol that an inbound may have, in upper or lower case (kuma-facts 4.3)."""
    return text.lower() in PROTOCOLS + _ALSO_PROTOCOLS


def collides(address: str | None, other: str | None) -> bool:
    """True if two sockets of one port would collide: the same address, or either is a wildcard."""
    if not address or not other:
        return False
    if is_wildcard(address) or is_wildcard(other):
        return True
    if syntax.is_ip(address) and syntax.is_ip(other):
        return ip_address(address) == ip_address(other)
    return address.lower() == other.lower()


def _networking(networking: Networking) -> Iterator[Violation]:
    yield from _admin(networking)
    yield from _host(networking.address, "networking.address")
    if networking.advertised_address is not None:
        yield from _host(networking.advertised_address, "networking.advertisedAddress")
    builtin = networking.gateway is not None and networking.gateway.type == BUILTIN_GATEWAY
    if networking.gateway is not None:
        kind = "builtin" if builtin else "delegated"
        if networking.inbound:
            yield Violation("networking.inbound", f"inbound cannot be defined for {kind} gateways")
        yield from _gateway(networking.gateway, "networking.gateway")
    else:
        for index, inbound in enumerate(networking.inbound or ()):
            yield from _inbound(inbound, networking.address, f"networking.inbound[{index}]")
    if builtin and networking.outbound:
        yield Violation("networking.outbound", "outbound cannot be defined for builtin gateways")
    for index, outbound in enumerate(networking.outbound or ()):
        yield from _outbound(outbound, f"networking.outbound[{index}]")
    if networking.metrics_proxy is not None:
        yield from _metrics_proxy(networking, networking.metrics_proxy)


def _host(address: str | None, path: str) -> Iterator[Violation]:
    if not address:
        yield Violation(path, "address can't be empty")
    elif is_wildcard(address):
        yield Violation(path, "must not be 0.0.0.0 or ::")
    elif not syntax.is_host(address):
        yield Violation(path, "address has to be valid IP address or domain name")
    elif is_metadata(address):
        yield Violation(path, METADATA_REFUSED)


def _admin(networking: Networking) -> Iterator[Violation]:
    port = networking.admin.port if networking.admin else None
    if port is None:
        return
    path = "networking.admin.port"
    if reason := syntax.port_fault(port):
        yield Violation(path, reason)
        return
    for inbound in networking.inbound or ():
        own = inbound.address or networking.address
        application = inbound.service_address
        if (inbound.port == port and collides(_LOOPBACK, own)) or (
            (inbound.service_port or inbound.port) == port and collides(_LOOPBACK, application)
        ):
            yield Violation(path, "must differ from inbound")
            break
    for outbound in networking.outbound or ():
        if outbound.port == port and collides(_LOOPBACK, outbound.address or _LOOPBACK):
            yield Violation(path, "must differ from outbound")
            break


def _metrics_proxy(networking: Networking, proxy: MetricsProxy) -> Iterator[Violation]:
    """Whoever reaches it scrapes with the identity of this proxy, so it is for this host only."""
    path = "networking.metricsProxy"
    if reason := syntax.port_fault(proxy.port):
        yield Violation(f"{path}.port", reason)
    address = proxy.address or _LOOPBACK
    if not syntax.is_ip(address):
        yield Violation(f"{path}.address", "address has to be valid IP address")
        return
    if not is_loopback(address):
        yield Violation(f"{path}.address", "must be a loopback address")
    for inbound in networking.inbound or ():
        if inbound.port == proxy.port and collides(address, inbound.address or networking.address):
            yield Violation(f"{path}.port", "must differ from inbound")
            break
    for outbound in networking.outbound or ():
        if outbound.port == proxy.port and collides(address, outbound.address or _LOOPBACK):
            yield Violation(f"{path}.port", "must differ from outbound")
            break


def _gateway(gateway: Gateway, path: str) -> Iterator[Violation]:
    if gateway.type and gateway.type not in (DELEGATED_GATEWAY, BUILTIN_GATEWAY):
        yield Violation(f"{path}.type", f'must be one of "{DELEGATED_GATEWAY}", "{BUILTIN_GATEWAY}"')
    tags = gateway.tags or {}
    at = f"{path}.tags"
    yield from service_tag_violations(tags, at)
    protocol = tags.get(PROTOCOL_TAG)
    if protocol is not None and protocol != "tcp":
        reason = f'other values than tcp are not allowed, provided value "{protocol}"'
        yield Violation(paths.key(at, PROTOCOL_TAG), reason)
    yield from tag_violations(tags, at)


def _inbound(inbound: Inbound, address: str | None, path: str) -> Iterator[Violation]:
    if reason := syntax.port_fault(inbound.port):
        yield Violation(f"{path}.port", reason)
    if inbound.service_port is not None and (reason := syntax.port_fault(inbound.service_port)):
        yield Violation(f"{path}.servicePort", reason)
    if inbound.address and not syntax.is_ip(inbound.address):
        yield Violation(f"{path}.address", "address has to be valid IP address")
    elif inbound.address and is_metadata(inbound.address):
        yield Violation(f"{path}.address", METADATA_REFUSED)
    if inbound.service_address:
        at = f"{path}.serviceAddress"
        if not syntax.is_ip(inbound.service_address):
            yield Violation(at, "serviceAddress has to be valid IP address")
        elif is_metadata(inbound.service_address):
            yield Violation(at, METADATA_REFUSED)
        elif (inbound.service_port or inbound.port) == inbound.port and collides(
            inbound.service_address, inbound.address or address
        ):
            yield Violation(at, "serviceAddress and servicePort has to differ from address and port")
    if inbound.state and inbound.state not in _STATES:
        listed = ", ".join(f'"{state}"' for state in _STATES)
        yield Violation(f"{path}.state", f"must be one of {listed}")
    if inbound.protocol and not is_protocol(inbound.protocol):
        reason = f'protocol has an invalid value "{inbound.protocol}". Allowed values: {", ".join(PROTOCOLS)}'
        yield Violation(f"{path}.protocol", reason)
    yield from _inbound_tags(inbound.tags or {}, f"{path}.tags")


def _inbound_tags(tags: Mapping[str, str], path: str) -> Iterator[Violation]:
    if tags and SERVICE_TAG not in tags:
        yield Violation(paths.key(path, SERVICE_TAG), "tag has to exist")
    protocol = tags.get(PROTOCOL_TAG)
    if protocol is not None and not is_protocol(protocol):
        reason = (
            f'tag "{PROTOCOL_TAG}" has an invalid value "{protocol}". Allowed values: {", ".join(PROTOCOLS)}'
        )
        yield Violation(paths.key(path, PROTOCOL_TAG), reason)
    yield from tag_violations(tags, path)


def _outbound(outbound: Outbound, path: str) -> Iterator[Violation]:
    if reason := syntax.port_fault(outbound.port):
        yield Violation(f"{path}.port", reason)
    if outbound.address and not syntax.is_ip(outbound.address):
        yield Violation(f"{path}.address", "address has to be valid IP address")
    if outbound.backend_ref is None:
        yield from service_tag_violations(outbound.tags, f"{path}.tags")
    elif outbound.tags:
        yield Violation(f"{path}.backendRef", "tags and backendRef cannot be defined together")
    yield from tag_violations(outbound.tags, f"{path}.tags")


def _metrics(metrics: DataplaneMetrics) -> Iterator[Violation]:
    yield from backend_type_violations(metrics.type, "metrics.type")
    if metrics.type == PROMETHEUS and metrics.conf:
        yield from conf_violations(metrics.conf, "metrics.conf")

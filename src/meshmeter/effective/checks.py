"""Checks: what the resources alone already tell about a proxy's metrics endpoint, as findings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from meshmeter import addresses
from meshmeter.addresses import IPNetwork, is_metadata, parse_ip
from meshmeter.effective.access import select_permission
from meshmeter.effective.aggregates import EffectiveAggregate
from meshmeter.effective.credentials import CertificateState, Credentials
from meshmeter.effective.findings import Finding, finding
from meshmeter.effective.interfaces import (
    Use,
    listen_address,
    reachable_address,
    taken_by,
)
from meshmeter.effective.origin import Sourced
from meshmeter.effective.own_ports import NO_PORTS, OwnPorts
from meshmeter.effective.precedence import ConfLayer
from meshmeter.effective.transport import Transport, mtls_enabled
from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.metrics import TlsMode
from meshmeter.resources.resource import Resource
from meshmeter.resources.traffic_permission import TrafficPermissionSpec

_USES = {
    Use.INBOUND: "an inbound",
    Use.APPLICATION: "the application of an inbound",
    Use.OUTBOUND: "an outbound",
    Use.METRICS_PROXY: "the metrics proxy",
}


def listener_findings(
    spec: DataplaneSpec, port: Sourced[int], own_ports: OwnPorts = NO_PORTS
) -> Iterator[Finding]:
    """What forbids the listener in the Dataplane itself: an address that is none or not its own, a port in use
    (deviations D16)."""
    address = listen_address(spec)
    fields = {"networking.address": address, "networking.advertisedAddress": reachable_address(spec)}
    for field, written in fields.items():
        if is_metadata(written) and (field == "networking.address" or written != address):
            yield finding(
                "metrics-address-refused", f"{field} {written!r} is no address of a proxy", field=field
            )
    servers = {own_ports.at(written, port.value) for written in fields.values()} - {None}
    for server in sorted(map(str, servers)):
        yield finding(
            "metrics-port-of-control-plane",
            f"metrics port {port.value} on {reachable_address(spec)} is that of {server} of the control plane",
            field=port.origin.field,
        )
    if address and parse_ip(address) is None:
        yield finding(
            "metrics-address-is-a-name",
            f"networking.address {address!r} is a host name, and Envoy binds IP addresses only",
            field="networking.address",
        )
    if taken := taken_by(spec, address, port.value):
        yield finding(
            "metrics-port-conflict",
            f"metrics port {port.value} on {address} is taken by {_USES[taken.use]} of the same Dataplane "
            f"({taken.field})",
            field=port.origin.field,
        )
    if _admin_port(spec) == port.value:
        yield finding(
            "metrics-port-is-admin-port",
            f"metrics port {port.value} is also networking.admin.port",
            field=port.origin.field,
        )


def neighbour_findings(
    dataplane: Resource[DataplaneSpec], port: Sourced[int], neighbours: Sequence[Resource[DataplaneSpec]]
) -> Iterator[Finding]:
    """A metrics endpoint at a port of another Dataplane with the same address. Who was there first has the port."""
    own = {listen_address(dataplane.spec), reachable_address(dataplane.spec)}
    for other in sorted(neighbours, key=lambda n: n.name):
        if other.meta.creation_time >= dataplane.meta.creation_time:
            continue
        taken = next((use for at in sorted(own) if (use := taken_by(other.spec, at, port.value))), None)
        if taken is not None:
            yield finding(
                "metrics-port-of-other-proxy",
                f"metrics port {port.value} on {taken.address} is {_USES[taken.use]} of Dataplane {other.name}",
                field=port.origin.field,
            )


def credential_findings(
    mesh: MeshSpec,
    transport: Transport,
    mode: Sourced[TlsMode],
    credentials: Credentials,
    address: str,
) -> Iterator[Finding]:
    """What the proxy lacks to protect its endpoint as asked (deviations D12): the endpoint stays closed then. Or a
    certificate that not everybody will take. `address` is the one at which discovery lists the proxy."""
    if transport is Transport.MTLS and credentials.authority_fault:
        yield finding(
            "mesh-ca-unusable",
            f"the certificate authority of the mesh cannot be used: {credentials.authority_fault}",
            field="mtls",
        )
    if mtls_enabled(mesh) and credentials.authority_warning:
        yield finding(
            "mesh-ca-outdated",
            f"the authority of before stays in force: {credentials.authority_warning}",
            field="mtls",
        )
    provided = credentials.provided
    if transport is not Transport.PROVIDED_TLS or provided is None:
        return
    if provided.state is not CertificateState.USABLE:
        yield finding(
            f"provided-tls-{provided.state}",
            provided.detail or f"the provided certificate is {provided.state}",
            field=mode.origin.field,
        )
    elif provided.names is not None and not provided.names:
        yield finding(
            "provided-tls-not-for-address",
            "the provided certificate has no subject alternative name, and Prometheus does not accept it",
            field=mode.origin.field,
        )
    elif provided.names is not None and not provided.is_for(address):
        yield finding(
            "provided-tls-not-for-address",
            f"the provided certificate is for {', '.join(provided.names[:5])}, "
            f"and discovery lists the proxy at {address}",
            field=mode.origin.field,
        )


def proxy_findings(
    mesh: MeshSpec,
    layers: Sequence[ConfLayer],
    transport: Transport,
    mode: Sourced[TlsMode],
    tags: Sourced[Mapping[str, str]],
    permissions: Sequence[Resource[TrafficPermissionSpec]] | None,
) -> Iterator[Finding]:
    """What deserves attention but costs nothing. Without `permissions` (None) access is not judged."""
    for layer in layers:
        if layer.conf.skip_mtls is not None and _wrote(layer, mode):
            yield finding(
                "skip-mtls-deprecated",
                f"{layer.resource} writes skipMTLS: {str(layer.conf.skip_mtls).lower()}, "
                f"read as tls.mode: {mode.value}",
                field=layer.origin("skipMTLS").field,
            )
    if mode.value is TlsMode.DISABLED and mtls_enabled(mesh):
        yield finding(
            "metrics-plain-in-mtls-mesh",
            "the metrics endpoint is plain HTTP in a Mesh with mTLS",
            field=mode.origin.field,
        )
    if transport is Transport.MTLS and permissions is not None:
        permission = select_permission(permissions, tags.value)
        if permission is None or not permission.spec.sources:
            yield finding(
                "metrics-no-permission",
                "no TrafficPermission allows any source for the tags "
                + ", ".join(f"{k}={v}" for k, v in sorted(tags.value.items())),
                field=tags.origin.field,
            )


def _wrote(layer: ConfLayer, mode: Sourced[TlsMode]) -> bool:
    return (layer.layer, layer.resource) == (mode.origin.layer, mode.origin.resource)


def check_aggregate(
    entry: EffectiveAggregate,
    spec: DataplaneSpec,
    metrics_port: int,
    allowed_networks: Sequence[IPNetwork],
    own_ports: OwnPorts = NO_PORTS,
    *,
    own: Collection[str] = (),
) -> EffectiveAggregate:
    """The entry, marked as refused if it is enabled and may or can not be scraped (design 8, deviations
    D4). `own` are the `own_addresses` of the Dataplane."""
    if not entry.enabled.value:
        return entry
    return replace(entry, refused=_fault(entry, spec, metrics_port, allowed_networks, own_ports, own))


def _fault(
    entry: EffectiveAggregate,
    spec: DataplaneSpec,
    metrics_port: int,
    allowed_networks: Sequence[IPNetwork],
    own_ports: OwnPorts,
    own_addresses: Collection[str],
) -> Finding | None:
    address, port = entry.address.value, entry.port.value
    what = f"aggregate entry {entry.name!r}"
    if entry.option("unixSocket"):
        return None  # neither address nor port are used
    if port is None:
        return finding("aggregate-port-missing", f"{what} has no port", field=f"{entry.field}.port")
    if is_metadata(address):
        return finding(
            "aggregate-address-link-local",
            f"{what} has the address {address}, which is link-local or of a metadata service",
            field=entry.address.origin.field,
        )
    own = any(addresses.same(address, candidate) for candidate in own_addresses)
    local = own or addresses.is_loopback(address)
    if not local and not addresses.within(address, allowed_networks):
        return finding(
            "aggregate-address-not-allowed",
            f"{what} points at {address or 'no address'}, which is neither loopback nor an address of the "
            "Dataplane nor in an allowed network",
            field=entry.address.origin.field,
        )
    if server := own_ports.beside(address, port, listen_address(spec)):
        return finding(
            "aggregate-is-control-plane",
            f"{what} points at {server} of the control plane, {address} port {port}",
            field=entry.port.origin.field,
        )
    served_at = (listen_address(spec), reachable_address(spec))
    if port == metrics_port and any(addresses.overlap(address, at) for at in served_at):
        return finding(
            "aggregate-is-metrics-endpoint",
            f"{what} points at the metrics endpoint of its own proxy, {address} port {port}",
            field=entry.port.origin.field,
        )
    if local and port == _admin_port(spec):
        return finding(
            "aggregate-is-admin-port",
            f"{what} points at the admin port of its own proxy, {address} port {port}",
            field=entry.port.origin.field,
        )
    return None


def _admin_port(spec: DataplaneSpec) -> int | None:
    admin = spec.networking.admin if spec.networking else None
    return admin.port if admin else None

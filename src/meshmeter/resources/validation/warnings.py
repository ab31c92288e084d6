"""Warnings: what is accepted but deprecated, without effect, or bound to fail (deviations D8)."""

from __future__ import annotations

from collections.abc import Iterator

from meshmeter.addresses import is_loopback
from meshmeter.errors import Violation
from meshmeter.resources import syntax
from meshmeter.resources.dataplane import DataplaneSpec, Inbound, Networking
from meshmeter.resources.defaults import DEFAULT_PORT
from meshmeter.resources.mesh import MeshSpec
from meshmeter.resources.metrics import PrometheusConf, TlsMode
from meshmeter.resources.validation.dataplane import collides


def mesh_warnings(name: str, spec: MeshSpec) -> Iterator[Violation]:
    """Warnings about a Mesh."""
    if name and not syntax.is_rfc1035(name):
        yield Violation("name", "should be a valid RFC 1035 label: start with a letter, and contain no dots")
    metrics = spec.metrics
    if metrics is None:
        return
    backends = metrics.backends or ()
    if backends and not metrics.enabled_backend:
        yield Violation("metrics.enabledBackend", "is empty: metrics are off although backends are defined")
    for index, backend in enumerate(backends):
        path = f"metrics.backends[{index}]"
        if not backend.name:
            yield Violation(f"{path}.name", "is empty: enabledBackend cannot refer to this backend")
        if backend.conf is None:
            continue
        yield from _deprecated(backend.conf, f"{path}.conf")
        for number, entry in enumerate(backend.conf.aggregate or ()):
            at = f"{path}.conf.aggregate[{number}].port"
            if entry.port is None:
                if entry.enabled is not False:
                    reason = "is not set: only Dataplanes that set it themselves are scraped for this entry"
                    yield Violation(at, reason)
            elif entry.address is None and entry.port == (backend.conf.port or DEFAULT_PORT):
                yield Violation(at, "points at the metrics endpoint itself")


def dataplane_warnings(spec: DataplaneSpec) -> Iterator[Violation]:
    """Warnings about a Dataplane. Its own settings alone are judged; those of its Mesh are not known here."""
    conf = spec.metrics.conf if spec.metrics else None
    if conf is None:
        return
    networking = spec.networking or Networking()
    yield from _deprecated(conf, "metrics.conf")
    for index, inbound in enumerate(networking.inbound or ()):
        if conf.port is not None and _uses(inbound, conf.port, networking.address):
            reason = f"is also a port of networking.inbound[{index}]: metrics will not be served"
            yield Violation("metrics.conf.port", reason)
    admin = networking.admin.port if networking.admin else None
    for index, entry in enumerate(conf.aggregate or ()):
        if entry.port is None or entry.enabled is False:
            continue
        address = entry.address or networking.address
        at = f"metrics.conf.aggregate[{index}].port"
        if entry.port == (conf.port or DEFAULT_PORT) and collides(address, networking.address):
            unless = "" if conf.port else ", unless the Mesh sets another port"
            yield Violation(at, f"points at the metrics endpoint itself{unless}")
        if entry.port == admin and _reaches_admin(address, networking.address):
            yield Violation(at, "points at the proxy's own administration interface")


def _deprecated(conf: PrometheusConf, path: str) -> Iterator[Violation]:
    if conf.skip_mtls is not None:
        mode = TlsMode.DISABLED if conf.skip_mtls else TlsMode.ACTIVE_MTLS_BACKEND
        yield Violation(f"{path}.skipMTLS", f"is deprecated, write tls.mode: {mode.value} instead")


def _uses(inbound: Inbound, port: int, own: str | None) -> bool:
    """True if the proxy, or the application behind it, listens on this port of the Dataplane's address."""
    address = inbound.address or own
    application = inbound.service_address or address
    return (inbound.port == port and collides(address, own)) or (
        (inbound.service_port or inbound.port) == port and collides(application, own)
    )


def _reaches_admin(address: str | None, own: str | None) -> bool:
    return bool(address) and (is_loopback(address or "") or collides(address, own))

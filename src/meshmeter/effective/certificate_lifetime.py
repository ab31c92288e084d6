"""How long the certificates of a mesh live, and connections that were let in by them."""

from __future__ import annotations

from datetime import timedelta

from meshmeter.durations import parse_single
from meshmeter.resources.mesh import Mtls

DEFAULT_LIFETIME = timedelta(hours=24)
SHORTEST_LIFETIME = timedelta(seconds=4)
LONGEST_LIFETIME = timedelta(days=3650)

LONGEST_HTTP_CONNECTION = timedelta(hours=1)
"""HTTP clients open connections anew without anybody noticing."""


def certificate_lifetime(mtls: Mtls | None) -> timedelta:
    """How long the certificates of proxies live: `dpCert.rotation.expiration` of the enabled backend."""
    backend = mtls.enabled() if mtls is not None else None
    rotation = backend.dp_cert.rotation if backend and backend.dp_cert else None
    written = parse_single(rotation.expiration or "") if rotation else None
    return min(max(written or DEFAULT_LIFETIME, SHORTEST_LIFETIME), LONGEST_LIFETIME)


def tcp_connection(lifetime: timedelta) -> timedelta:
    """How long a connection may last whose client showed a certificate of this lifetime.

    A certificate is renewed at half of its life, so that at least the other half is left when a connection begins:
    no connection of a proxy outlives its certificate.
    """
    return lifetime / 2


def http_connection(lifetime: timedelta) -> timedelta:
    """The same for a connection that carries requests."""
    return min(tcp_connection(lifetime), LONGEST_HTTP_CONNECTION)

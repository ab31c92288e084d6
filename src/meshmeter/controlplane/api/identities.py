"""Identities for programs without a sidecar: `meshmeter identity` asks here, a Prometheus uses what it gets.

    POST /meshes/{mesh}/identities   {"service": "prometheus-server", "csr": "-----BEGIN CERTIFICATE REQUEST-----…"}
    GET  /meshes/{mesh}/trust        the certificates that peers of this mesh may be signed by, now

The private key stays with who made it; only its certificate is answered. An admin token may ask for every service, an
identity token for exactly its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.signing_requests import read_request
from meshmeter.certs.tokens import ADMIN, Claims, check_identity
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.controlplane.http.request_body import read_json
from meshmeter.controlplane.tokens.limits import RateLimit
from meshmeter.effective.transport import mtls_enabled
from meshmeter.errors import (
    InvalidResource,
    MeshAuthorityUnusable,
    MeshmeterError,
    NotFound,
    PermissionDenied,
    Violation,
)
from meshmeter.resources.mesh import KIND as MESH
from meshmeter.resources.resource import Key
from meshmeter.resources.syntax import tag_value_fault
from meshmeter.store.base import Store
from meshmeter.times import rfc3339

IDENTITIES = "/meshes/{mesh}/identities"
TRUST = "/meshes/{mesh}/trust"

ROUTES = frozenset({IDENTITIES, TRUST})
"""Paths that this API guards itself, since not only admins may use them."""

LARGEST_REQUEST = 64 << 10
"""Bytes."""


class IssuedCertificate(Protocol):
    """A certificate for somebody else's key."""

    @property
    def certificate_pem(self) -> str: ...

    @property
    def bundle_pem(self) -> str: ...

    @property
    def not_before(self) -> datetime: ...

    @property
    def not_after(self) -> datetime: ...


class Authority(Protocol):
    """Who signs for the meshes; `mesh_trust.MeshTrust` is one."""

    async def issue(
        self, mesh: str, service: str, public_key: ec.EllipticCurvePublicKey
    ) -> IssuedCertificate | None:
        """A certificate that says `spiffe://MESH/SERVICE`; None if the mesh has no mTLS."""
        ...

    async def bundle(self, mesh: str) -> str | None:
        """What peers are verified by, PEM; None if the mesh has no mTLS."""
        ...


async def _never(_mesh: str) -> bool:
    return False


class IdentityApi:
    """The handlers."""

    def __init__(
        self,
        authority: Authority,
        authenticate: Callable[[web.Request], Claims],
        *,
        rate: RateLimit | None = None,
        wants_mtls: Callable[[str], Awaitable[bool]] = _never,
    ):
        """`authenticate` gives the claims of an admin or identity token, and raises Unauthenticated. `wants_mtls` tells
        whether a stored Mesh has mTLS, which the authority hears of a moment later."""
        self._authority = authority
        self._authenticate = authenticate
        self._rate = rate
        self._wants_mtls = wants_mtls

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post(IDENTITIES, self._issue)
        app.router.add_get(TRUST, self._trust)

    async def _issue(self, request: web.Request) -> web.Response:
        claims, mesh = self._authenticate(request), request.match_info["mesh"]
        if self._rate is not None:
            self._rate.take(claims.id)
        body = await read_json(request, LARGEST_REQUEST)
        service = body.get("service")
        faults = [
            Violation(str(field)[:253], "unknown field, known are service, csr")
            for field in body
            if field not in ("service", "csr")
        ]
        if not isinstance(service, str):
            faults.append(Violation("service", "must be a text"))
        elif reason := tag_value_fault(service):
            faults.append(Violation("service", reason))
        key = _public_key(body.get("csr"), faults)
        if faults or key is None or not isinstance(service, str):
            raise InvalidResource(faults, "The identity request is not valid")
        if claims.audience != ADMIN:
            check_identity(claims, mesh, service)
        issued = await self._authority.issue(mesh, service, key)
        if issued is None:
            raise await self._no_authority(mesh)
        return web.json_response(
            {
                "mesh": mesh,
                "service": service,
                "certificate": issued.certificate_pem,
                "trustBundle": issued.bundle_pem,
                "notBefore": rfc3339(issued.not_before),
                "notAfter": rfc3339(issued.not_after),
            },
            status=201,
        )

    async def _trust(self, request: web.Request) -> web.Response:
        claims, mesh = self._authenticate(request), request.match_info["mesh"]
        if claims.audience != ADMIN and claims.mesh != mesh:
            raise PermissionDenied(f"the token is for mesh {claims.mesh or ''}, not for {mesh}")
        bundle = await self._authority.bundle(mesh)
        if bundle is None:
            raise await self._no_authority(mesh)
        return web.json_response({"mesh": mesh, "trustBundle": bundle})

    async def _no_authority(self, mesh: str) -> MeshmeterError:
        if await self._wants_mtls(mesh):
            return MeshAuthorityUnusable(mesh, "mTLS was switched on a moment ago; try again in a second")
        return _no_mtls(mesh)


async def has_mtls(store: Store, mesh: str) -> bool:
    """Whether there is such a Mesh, and its mTLS is on."""
    try:
        return mtls_enabled((await store.get(Key(MESH, "", mesh))).spec)
    except NotFound:
        return False


def _public_key(csr: object, faults: list[Violation]) -> ec.EllipticCurvePublicKey | None:
    if not isinstance(csr, str):
        faults.append(Violation("csr", "must be a certificate signing request (PEM)"))
        return None
    try:
        return read_request(csr.encode())
    except ValueError as exc:
        faults.append(Violation("csr", f"must be a certificate signing request (PEM): {exc}"))
        return None


def _no_mtls(mesh: str) -> Refusal:
    return Refusal(
        409,
        "Could not issue an identity",
        f"mesh {mesh} does not exist or has no mTLS: set mtls.enabledBackend of the Mesh first",
    )

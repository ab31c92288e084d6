"""Identities for programs without a sidecar: `meshmeter identity` asks here, a Prometheus uses what it gets.

    POST /meshes/{mesh}/identities   {"service": "prometheus-server", "csr": "-----BEGIN CERTIFICATE REQUEST-----…"}
    GET  /meshes/{mesh}/trust        the certificates that peers of this mesh may be signed by, now

The private key stays with who made it; only its certificate is answered. An admin token may ask for every service, an
identity token for exactly its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BeforeValidator, Field, WithJsonSchema

from meshmeter.certs.signing_requests import read_request
from meshmeter.certs.tokens import ADMIN, Claims, check_identity
from meshmeter.controlplane.api.bodies import AnswerBody, RequestBody, Time
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.controlplane.http.request_body import read_json
from meshmeter.controlplane.identity.mesh_trust import MeshTrust
from meshmeter.controlplane.tokens.limits import RateLimit
from meshmeter.effective.transport import mtls_enabled
from meshmeter.errors import (
    MeshAuthorityUnusable,
    MeshmeterError,
    NotFound,
    PermissionDenied,
)
from meshmeter.resources.mesh import KIND as MESH
from meshmeter.resources.resource import Key
from meshmeter.resources.syntax import tag_value_fault
from meshmeter.store.base import Store

LARGEST_REQUEST = 64 << 10
"""Bytes."""


def _service(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    if reason := tag_value_fault(value):
        raise ValueError(reason)
    return value


def _public_key(value: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(value, str):
        raise ValueError("must be a certificate signing request (PEM)")
    try:
        return read_request(value.encode())
    except ValueError as exc:
        raise ValueError(f"must be a certificate signing request (PEM): {exc}") from exc


_CSR = {"type": "string", "description": "Certificate signing request (PEM), P-256."}


class IdentityRequest(RequestBody):
    """The service and the key of a certificate."""

    service: Annotated[str, BeforeValidator(_service), Field(min_length=1)]
    csr: Annotated[ec.EllipticCurvePublicKey, BeforeValidator(_public_key), WithJsonSchema(_CSR)]


class Identity(AnswerBody):
    """A certificate, and what to trust."""

    mesh: str
    service: str
    certificate: str
    """PEM; it says `spiffe://MESH/SERVICE`."""
    trust_bundle: str
    """PEM."""
    not_before: Time
    not_after: Time


class Trust(AnswerBody):
    """What the peers in a mesh may be signed by."""

    mesh: str
    trust_bundle: str
    """PEM."""


async def _never(_mesh: str) -> bool:
    return False


class IdentityApi:
    """The handlers."""

    def __init__(
        self,
        authority: MeshTrust,
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

    async def issue(self, request: web.Request) -> web.Response:
        claims, mesh = self._authenticate(request), request.match_info["mesh"]
        if self._rate is not None:
            self._rate.take(claims.id)
        body = await read_json(request, LARGEST_REQUEST)
        asked = IdentityRequest.read(body, "The identity request is not valid")
        if claims.audience != ADMIN:
            check_identity(claims, mesh, asked.service)
        issued = await self._authority.issue(mesh, asked.service, asked.csr)
        if issued is None:
            raise await self._no_authority(mesh)
        answer = Identity(
            mesh=mesh,
            service=asked.service,
            certificate=issued.certificate_pem,
            trust_bundle=issued.bundle_pem,
            not_before=issued.not_before,
            not_after=issued.not_after,
        )
        return answer.response(201)

    async def trust(self, request: web.Request) -> web.Response:
        claims, mesh = self._authenticate(request), request.match_info["mesh"]
        if claims.audience != ADMIN and claims.mesh != mesh:
            raise PermissionDenied(f"the token is for mesh {claims.mesh or ''}, not for {mesh}")
        bundle = await self._authority.bundle(mesh)
        if bundle is None:
            raise await self._no_authority(mesh)
        return Trust(mesh=mesh, trust_bundle=bundle).response()

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


def _no_mtls(mesh: str) -> Refusal:
    return Refusal(
        409,
        "Could not issue an identity",
        f"mesh {mesh} does not exist or has no mTLS: set mtls.enabledBackend of the Mesh first",
    )

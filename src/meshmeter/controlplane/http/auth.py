"""Who asks: bearer tokens of HTTP requests, checked.

`Verifier` knows the keys, the clock and what has been revoked; the functions below say what each kind of API demands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from meshmeter.certs.tokens import (
    ADMIN,
    DATAPLANE,
    DISCOVERY,
    IDENTITY,
    Claims,
    SigningKey,
    check_time,
    read,
    verify,
)
from meshmeter.controlplane.http.local_clients import LocalClients
from meshmeter.errors import PermissionDenied, Unauthenticated


class Verifier:
    """Verifies tokens against the signing keys of this control plane and what has been revoked."""

    def __init__(
        self,
        keys: Mapping[str, SigningKey],
        is_revoked: Callable[[str], bool] = lambda _token_id: False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        """`keys` may change while the verifier is in use."""
        self._keys = keys
        self._is_revoked = is_revoked
        self._now = now
        self._watchers: list[Callable[[], None]] = []

    def watch(self, reconsider: Callable[[], None]) -> None:
        """Call `reconsider`, which must neither block nor raise, whenever tokens may have become void."""
        self._watchers.append(reconsider)

    def withdrawn(self) -> None:
        """Tokens that were good may be so no longer: a token was revoked, or a key removed."""
        for reconsider in self._watchers:
            reconsider()

    def admin(self, token: str) -> Claims:
        """Raises Unauthenticated."""
        return self._verify(token, ADMIN)

    def dataplane(self, token: str) -> Claims:
        """Raises Unauthenticated."""
        return self._verify(token, DATAPLANE)

    def discovery(self, token: str) -> Claims:
        """Raises Unauthenticated."""
        return self._verify(token, DISCOVERY)

    def identity(self, token: str) -> Claims:
        """An identity token, or an admin token, which covers every identity. Raises Unauthenticated."""
        claims = read(token, self._keys)
        return self._verify(token, ADMIN if claims.audience == ADMIN else IDENTITY)

    def reader(self, token: str) -> Claims:
        """A discovery token, or an admin token. Raises Unauthenticated."""
        claims = read(token, self._keys)
        return self._verify(token, ADMIN if claims.audience == ADMIN else DISCOVERY)

    def check_again(self, claims: Claims) -> None:
        """Raise Unauthenticated unless a token that was good is good still: much cheaper than to verify it."""
        if claims.key_id not in self._keys:
            raise Unauthenticated(
                "the token is signed by a key that is no longer known here; issue a new one"
            )
        if self._is_revoked(claims.id):
            raise Unauthenticated("the token is revoked; issue a new one")
        check_time(claims, self._now())

    def _verify(self, token: str, audience: str) -> Claims:
        claims = verify(token, self._keys, audience=audience, now=self._now())
        if self._is_revoked(claims.id):
            raise Unauthenticated("the token is revoked; issue a new one")
        return claims


def bearer_token(request: web.Request) -> str:
    """The token of the Authorization header. Raises Unauthenticated if there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("send the token as `Authorization: Bearer TOKEN`")
    return token.strip()


def require_admin(verifier: Verifier) -> Callable[[web.Request], Claims]:
    """Demand an admin token of every request."""
    return lambda request: verifier.admin(bearer_token(request))


def metrics_access(verifier: Verifier, local: LocalClients | None = None) -> Callable[[web.Request], object]:
    """Who may read the control plane's own metrics: local clients, and who has an admin token or a discovery token
    for all meshes."""
    clients = local or LocalClients()

    def check(request: web.Request) -> None:
        if "Authorization" not in request.headers:
            if (reason := clients.why_not(request)) is None:
                return
            raise Unauthenticated(f"the request needs an admin token or a discovery token: {reason}")
        if verifier.reader(bearer_token(request)).meshes is not None:
            raise PermissionDenied("the token is limited to meshes; these metrics are about all")

    return check


def discovery_access(
    verifier: Verifier, local: LocalClients | None = None
) -> Callable[[web.Request], frozenset[str] | None]:
    """The meshes a discovery client may see; None means all (design 7).

    Local clients need no credential, but one that they send has to be valid.
    """
    clients = local or LocalClients()

    def allowed(request: web.Request) -> frozenset[str] | None:
        if "Authorization" not in request.headers:
            if (reason := clients.why_not(request)) is None:
                return None
            raise Unauthenticated(f"the request needs a discovery token: {reason}")
        meshes = verifier.discovery(bearer_token(request)).meshes
        return frozenset(meshes) if meshes is not None else None

    return allowed

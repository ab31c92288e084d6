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
from meshmeter.effective.addresses import is_loopback
from meshmeter.errors import PermissionDenied, Unauthenticated

FORWARDED_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
"""What proxies add to requests that they pass on."""


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


def is_local(request: web.Request) -> bool:
    """Whether a client on this host asks, itself: what a proxy here passes on may come from anywhere.

    A unix socket has no address and counts as local.
    """
    forwarded = any(header in request.headers for header in FORWARDED_HEADERS)
    return not forwarded and (request.remote is None or is_loopback(request.remote))


def require_admin(verifier: Verifier) -> Callable[[web.Request], Claims]:
    """Demand an admin token of every request."""
    return lambda request: verifier.admin(bearer_token(request))


def metrics_access(verifier: Verifier) -> Callable[[web.Request], object]:
    """Who may read the control plane's own metrics: local clients, and who has an admin token or a discovery token
    for all meshes."""

    def check(request: web.Request) -> None:
        if "Authorization" not in request.headers and is_local(request):
            return
        if verifier.reader(bearer_token(request)).meshes is not None:
            raise PermissionDenied("the token is limited to meshes; these metrics are about all")

    return check


def discovery_access(verifier: Verifier) -> Callable[[web.Request], frozenset[str] | None]:
    """The meshes a discovery client may see; None means all (design 7).

    Local clients need no credential, but one that they send has to be valid.
    """

    def allowed(request: web.Request) -> frozenset[str] | None:
        if "Authorization" not in request.headers:
            if is_local(request):
                return None
            raise Unauthenticated("a client that is not on the control plane's host needs a discovery token")
        meshes = verifier.discovery(bearer_token(request)).meshes
        return frozenset(meshes) if meshes is not None else None

    return allowed

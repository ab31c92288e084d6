from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from cryptography.hazmat.primitives.asymmetric import ec

from meshmeter.certs.tokens import ADMIN, DATAPLANE, DISCOVERY, IDENTITY, SigningKey, issue
from meshmeter.controlplane.http.auth import (
    Verifier,
    bearer_token,
    discovery_access,
    metrics_access,
    require_admin,
)
from meshmeter.controlplane.http.local_clients import LocalClients
from meshmeter.errors import PermissionDenied, Unauthenticated

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
KEY = SigningKey.of(ec.generate_private_key(ec.SECP256R1()))
VERIFIER = Verifier({KEY.id: KEY}, now=lambda: NOW)


def token(audience: str, **more: Any) -> str:
    return issue(KEY, audience, token_id="t", now=NOW, valid_for=timedelta(hours=1), **more)


class Transport:
    """What aiohttp asks for the peer's address."""

    def __init__(self, peer: str | None):
        self._peer = peer

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._peer, 1234) if name == "peername" and self._peer else default


def request(peer: str | None = "127.0.0.1", **headers: str) -> web.Request:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/", names, transport=Transport(peer))


def bearer(text: str, peer: str = "127.0.0.1") -> web.Request:
    return request(peer, Authorization=f"Bearer {text}")


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER   abc "])
def test_a_bearer_token_is_taken_from_the_header(header: str) -> None:
    assert bearer_token(request(Authorization=header)) == "abc"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "abc"])
def test_another_header_is_refused_and_not_repeated(header: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        bearer_token(request(Authorization=header))
    assert str(caught.value) == "send the token as `Authorization: Bearer TOKEN`"
    with pytest.raises(Unauthenticated):
        bearer_token(request())


def test_each_api_takes_its_own_kind_of_token() -> None:
    accepting = {ADMIN: VERIFIER.admin, DATAPLANE: VERIFIER.dataplane, DISCOVERY: VERIFIER.discovery}
    for audience in accepting:
        for wanted, verify in accepting.items():
            if wanted == audience:
                assert verify(token(audience)).audience == audience
            else:
                with pytest.raises(Unauthenticated, match="this is a token for"):
                    verify(token(audience))


def test_the_clock_is_asked_for_every_request() -> None:
    times = iter([NOW, NOW + timedelta(hours=2)])
    check = require_admin(Verifier({KEY.id: KEY}, now=lambda: next(times)))
    check(bearer(token(ADMIN)))
    with pytest.raises(Unauthenticated, match="expired"):
        check(bearer(token(ADMIN)))


def test_discovery_needs_a_token_unless_local() -> None:
    allowed = discovery_access(VERIFIER)
    assert allowed(request()) is None
    for other in (request("10.0.0.1"), request(Via="1.1 proxy"), request(Host="attacker.example")):
        with pytest.raises(Unauthenticated, match="needs a discovery token: "):
            allowed(other)
    known = discovery_access(VERIFIER, LocalClients(["control-plane.example"]))
    assert known(request(Host="control-plane.example")) is None
    # With a token the name does not matter.
    assert allowed(bearer(token(DISCOVERY))) is None
    assert allowed(bearer(token(DISCOVERY), "10.0.0.1")) is None
    assert allowed(bearer(token(DISCOVERY, meshes=["a", "b"]), "10.0.0.1")) == {"a", "b"}
    assert allowed(bearer(token(DISCOVERY, meshes=[]), "10.0.0.1")) == frozenset()


def test_a_local_client_that_sends_a_token_is_held_to_it() -> None:
    allowed = discovery_access(VERIFIER)
    assert allowed(bearer(token(DISCOVERY, meshes=["a"]))) == {"a"}
    with pytest.raises(Unauthenticated):
        allowed(bearer(token(ADMIN)))
    with pytest.raises(Unauthenticated):
        allowed(request(Authorization=""))


# Revocation, and checks that need no token


def test_a_revoked_token_is_refused_by_every_api_at_once() -> None:
    revoked: set[str] = set()
    verifier = Verifier({KEY.id: KEY}, revoked.__contains__, now=lambda: NOW)
    accepting = {
        ADMIN: verifier.admin,
        DATAPLANE: verifier.dataplane,
        DISCOVERY: verifier.discovery,
        IDENTITY: verifier.identity,
    }
    claims = {audience: verify(token(audience)) for audience, verify in accepting.items()}
    for known in claims.values():
        verifier.check_again(known)
    revoked.add("t")
    for audience, verify in accepting.items():
        with pytest.raises(Unauthenticated, match="the token is revoked; issue a new one"):
            verify(token(audience))
        with pytest.raises(Unauthenticated, match="revoked"):
            verifier.check_again(claims[audience])


def test_what_was_good_may_have_expired_or_lost_its_key() -> None:
    keys, clock = {KEY.id: KEY}, [NOW]
    verifier = Verifier(keys, now=lambda: clock[0])
    claims = verifier.admin(token(ADMIN))
    clock[0] = NOW + timedelta(hours=2)
    with pytest.raises(Unauthenticated, match="expired"):
        verifier.check_again(claims)
    clock[0] = NOW
    keys.clear()
    with pytest.raises(Unauthenticated, match="no longer known here"):
        verifier.check_again(claims)


def test_identities_take_admin_and_identity_tokens_only() -> None:
    assert VERIFIER.identity(token(ADMIN)).audience == ADMIN
    assert VERIFIER.identity(token(IDENTITY, mesh="m", service="s")).service == "s"
    for audience in (DATAPLANE, DISCOVERY):
        with pytest.raises(Unauthenticated, match="this is a token for"):
            VERIFIER.identity(token(audience))


def test_own_metrics_are_for_local_clients_and_for_tokens_that_see_everything() -> None:
    check = metrics_access(VERIFIER)
    check(request())
    check(bearer(token(ADMIN), "10.0.0.1"))
    check(bearer(token(DISCOVERY), "10.0.0.1"))
    with pytest.raises(PermissionDenied, match="limited to meshes"):
        check(bearer(token(DISCOVERY, meshes=["a"]), "10.0.0.1"))
    for bad in (
        request("10.0.0.1"),
        bearer(token(DATAPLANE)),
        request(X_Real_IP="127.0.0.1"),
        request(Host="x.y"),
    ):
        with pytest.raises(Unauthenticated):
            check(bad)


def test_who_watches_is_told_when_tokens_may_be_void() -> None:
    told: list[int] = []
    verifier = Verifier({KEY.id: KEY})
    verifier.watch(lambda: told.append(1))
    verifier.withdrawn()
    assert told == [1]

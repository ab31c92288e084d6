from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from meshmeter.certs.tokens import (
    ADMIN,
    DATAPLANE,
    DISCOVERY,
    IDENTITY,
    Claims,
    SigningKey,
    check_dataplane,
    check_identity,
    check_time,
    issue,
    read,
    verify,
)
from meshmeter.errors import PermissionDenied, Unauthenticated

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def new_key() -> SigningKey:
    return SigningKey.of(ec.generate_private_key(ec.SECP256R1()))


KEY = new_key()
KEYS = {KEY.id: KEY}


def token(audience: str = DATAPLANE, **more: Any) -> str:
    return issue(KEY, audience, token_id="t-1", now=NOW, valid_for=HOUR, **more)


def payload(**changes: Any) -> dict[str, Any]:
    """The claims of a good admin token, with changes; None leaves a claim out."""
    at = int(NOW.timestamp())
    claims = {"aud": ADMIN, "jti": "t", "iat": at, "nbf": at, "exp": at + 60} | changes
    return {claim: value for claim, value in claims.items() if value is not None}


def refusal(text: str, *, audience: str = ADMIN, now: datetime = NOW) -> str:
    with pytest.raises(Unauthenticated) as caught:
        verify(text, KEYS, audience=audience, now=now)
    assert text == "" or text not in str(caught.value)
    return str(caught.value)


def test_the_claims_come_back() -> None:
    text = token(mesh="default", name="backend-1", tags={"kuma.io/service": ["backend", "backend-admin"]})
    assert verify(text, KEYS, audience=DATAPLANE, now=NOW) == Claims(
        audience=DATAPLANE,
        id="t-1",
        issued_at=NOW,
        not_before=NOW,
        expires_at=NOW + HOUR,
        key_id=KEY.id,
        mesh="default",
        name="backend-1",
        tags={"kuma.io/service": ("backend", "backend-admin")},
    )


@pytest.mark.parametrize("meshes", [None, [], ["default", "payments"]])
def test_a_discovery_token_may_be_limited_to_meshes(meshes: list[str] | None) -> None:
    claims = verify(token(DISCOVERY, meshes=meshes), KEYS, audience=DISCOVERY, now=NOW)
    assert claims.meshes == (tuple(meshes) if meshes is not None else None)


def test_it_is_an_es256_jwt_that_names_its_key() -> None:
    header = jwt.get_unverified_header(token())
    assert (header["alg"], header["kid"]) == ("ES256", KEY.id)


def test_it_is_valid_for_its_time_and_a_clock_5_s_behind() -> None:
    text = token()
    for now in (NOW - 5 * SECOND, NOW, NOW + HOUR - SECOND):
        verify(text, KEYS, audience=DATAPLANE, now=now)
    early = refusal(text, audience=DATAPLANE, now=NOW - 6 * SECOND)
    assert early == "the token is not valid yet: compare the clocks of both hosts"
    late = refusal(text, audience=DATAPLANE, now=NOW + HOUR)
    assert late == "the token expired at 2026-05-01T13:00:00Z; issue a new one"


def test_keys_can_overlap() -> None:
    older = new_key()
    text = issue(older, ADMIN, token_id="t", now=NOW, valid_for=HOUR)
    verify(text, {KEY.id: KEY, older.id: older}, audience=ADMIN, now=NOW)
    assert refusal(text) == "the token is signed by a key that is not known here; issue a new one"


def test_one_kind_of_token_does_not_do_for_another() -> None:
    assert refusal(token(DATAPLANE)) == (
        "this is a token for dataplane, not for admin; `meshmeter token admin` makes one"
    )
    assert refusal(token(ADMIN), audience=DISCOVERY) == (
        "this is a token for admin, not for discovery; `meshmeter token discovery` makes one"
    )


def test_a_signature_of_another_key_is_refused() -> None:
    impostor = SigningKey(KEY.id, ec.generate_private_key(ec.SECP256R1()))
    text = issue(impostor, ADMIN, token_id="t", now=NOW, valid_for=HOUR)
    assert refusal(text) == "the token's signature is not valid; issue a new one"


def test_a_changed_claim_is_refused() -> None:
    head, body, signature = token(mesh="default").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"mesh": "payments"}).encode()).decode().rstrip("=")
    assert (
        refusal(f"{head}.{forged}.{signature}", audience=DATAPLANE)
        == "the token's signature is not valid; issue a new one"
    )


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "....", "\x00", "é", "e30.e30.", "A" * 5000])
def test_garbage_is_refused(text: str) -> None:
    assert refusal(text) in (
        "the token is malformed; issue a new one",
        "the token is signed by a key that is not known here; issue a new one",
    )


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_other_algorithms_are_refused(algorithm: str) -> None:
    """Above all not the public key taken as a shared secret, and not no signature at all."""
    secret = None if algorithm == "none" else "s" * 32
    text = jwt.encode(payload(), secret, algorithm=algorithm, headers={"kid": KEY.id})
    assert refusal(text) == "the token is malformed; issue a new one"


@pytest.mark.parametrize(
    "changes",
    [
        {"jti": None},
        {"exp": None},
        {"iat": None},
        {"nbf": None},
        {"aud": None},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"exp": 1e300},
        {"nbf": []},
        {"mesh": 7},
        {"name": ["a"]},
        {"tags": "kuma.io/service"},
        {"tags": {"kuma.io/service": 1}},
        {"meshes": 5},
    ],
)
def test_claims_of_a_wrong_form_are_refused(changes: dict[str, Any]) -> None:
    text = jwt.encode(payload(**changes), KEY.key, algorithm="ES256", headers={"kid": KEY.id})
    assert refusal(text) == "the token is malformed; issue a new one"


def test_the_header_cannot_bring_its_own_key_id_type() -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"ES256","kid":["x"]}').decode().rstrip("=")
    assert refusal(f"{head}.e30.AAAA") == "the token is malformed; issue a new one"


# Signing keys


def test_a_key_has_an_id_that_follows_from_it() -> None:
    read = SigningKey.from_pem(KEY.to_pem())
    assert read.id == KEY.id and len(KEY.id) == 16
    assert new_key().id != KEY.id
    verify(token(), {read.id: read}, audience=DATAPLANE, now=NOW)


def test_unusable_keys_are_refused() -> None:
    p384 = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for pem, reason in (
        (b"", "not an unencrypted PEM"),
        (KEY.to_pem()[:80], "not an"),
        (p384, "not a P-256"),
    ):
        with pytest.raises(ValueError, match=reason):
            SigningKey.from_pem(pem)


def test_a_key_never_shows_in_a_repr() -> None:
    assert repr(KEY) == f"SigningKey(id='{KEY.id}')"


# What a dataplane token covers


def claims(mesh: str | None = "default", name: str | None = None, **tags: list[str]) -> Claims:
    services = {f"kuma.io/{tag}": values for tag, values in tags.items()}
    text = token(mesh=mesh, name=name, tags=services)
    return verify(text, KEYS, audience=DATAPLANE, now=NOW)


def test_a_token_covers_its_mesh_and_narrows_by_name_and_tags() -> None:
    tags = {"kuma.io/service": {"backend"}, "kuma.io/zone": {"east"}}
    check_dataplane(claims(), "default", "anything", tags)
    check_dataplane(claims(name="backend-1"), "default", "backend-1", tags)
    check_dataplane(claims(service=["backend", "web"]), "default", "any", tags)
    check_dataplane(claims(service=["backend"], zone=["east"]), "default", "any", tags)
    check_dataplane(claims(service=["other"]), "default", "gone", None)


@pytest.mark.parametrize(
    ("token_claims", "reason"),
    [
        (claims("payments"), "mesh from requestor: default is different than in token: payments"),
        (claims(None), "mesh from requestor: default is different than in token: "),
        (claims(name="web-1"), "proxy name from requestor: backend-1 is different than in token: web-1"),
        (claims(version=["1"]), 'dataplane has no tag "kuma.io/version" required by the token'),
        (
            claims(service=["web", "backend"]),
            'dataplane contains tag "kuma.io/service" with value "admin" which is not allowed with this token. '
            "Allowed values in token are backend, web",
        ),
    ],
)
def test_what_a_token_does_not_cover_is_named(token_claims: Claims, reason: str) -> None:
    with pytest.raises(PermissionDenied) as caught:
        check_dataplane(token_claims, "default", "backend-1", {"kuma.io/service": {"backend", "admin"}})
    assert str(caught.value) == reason


def test_an_identity_token_is_for_exactly_one_service() -> None:
    claims = read(token(IDENTITY, mesh="default", service="prometheus-server"), KEYS)
    assert (claims.kind, claims.mesh, claims.service) == ("identity", "default", "prometheus-server")
    check_identity(claims, "default", "prometheus-server")
    for mesh, service in (("other", "prometheus-server"), ("default", "backend"), ("default", "")):
        with pytest.raises(PermissionDenied, match="the token is for"):
            check_identity(claims, mesh, service)


def test_a_token_without_mesh_or_service_is_for_no_identity() -> None:
    for claims in (read(token(IDENTITY, service="s"), KEYS), read(token(IDENTITY, mesh="m"), KEYS)):
        with pytest.raises(PermissionDenied):
            check_identity(claims, "m", "s")


def test_reading_looks_at_the_signature_only() -> None:
    claims = read(token(ADMIN), KEYS)
    with pytest.raises(Unauthenticated, match="expired"):
        check_time(claims, NOW + HOUR)
    check_time(claims, NOW)
    with pytest.raises(Unauthenticated, match="not known here"):
        read(token(ADMIN), {})

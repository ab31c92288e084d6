"""Tokens: JWTs (ES256) that say who may do what, for how long.

A token's audience is one of `ADMIN`, `DATAPLANE`, `DISCOVERY`, `IDENTITY`. A dataplane token names a mesh and may
narrow it to one proxy (`name`) and to services or other tags (`tags`); a discovery token may be limited to meshes; an
identity token names the mesh and the one `service` whose certificate it may ask for. The header's `kid` names the
signing key, so that keys can be rotated with an overlap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from meshmeter.errors import PermissionDenied, Unauthenticated

ADMIN = "meshmeter/admin"
DATAPLANE = "meshmeter/dataplane"
DISCOVERY = "meshmeter/discovery"
IDENTITY = "meshmeter/identity"

ALGORITHM = "ES256"

SKEW = timedelta(seconds=5)
"""How far the clock of who issued a token may be ahead of ours (kuma-facts 9.6)."""

DEFAULT_VALIDITY = timedelta(days=30)
"""Of a dataplane, discovery or identity token (deviations D24)."""

ADMIN_VALIDITY = timedelta(hours=24)
"""Of an admin token that somebody asks for."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A P-256 key and the id that tokens name it by."""

    id: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def to_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @classmethod
    def of(cls, key: ec.EllipticCurvePrivateKey) -> SigningKey:
        """The key with an id that follows from it."""
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(hashlib.sha256(public).hexdigest()[:16], key)

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """Raises ValueError if the PEM is no unencrypted P-256 private key."""
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise ValueError("not an unencrypted PEM private key") from exc
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("not a P-256 private key")
        return cls.of(key)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    audience: str
    id: str
    issued_at: datetime
    not_before: datetime
    expires_at: datetime
    key_id: str
    """Of the key that signed it."""
    mesh: str | None = None
    name: str | None = None
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    meshes: tuple[str, ...] | None = None
    """Of a discovery token: the only meshes it shows; None means all."""
    service: str | None = None
    """Of an identity token: the only service whose certificate it may ask for."""

    @property
    def kind(self) -> str:
        """The last word of the audience: admin, dataplane, discovery or identity."""
        return self.audience.rpartition("/")[2]


def issue(
    key: SigningKey,
    audience: str,
    *,
    token_id: str,
    now: datetime,
    valid_for: timedelta,
    mesh: str | None = None,
    name: str | None = None,
    tags: Mapping[str, Sequence[str]] | None = None,
    meshes: Sequence[str] | None = None,
    service: str | None = None,
) -> str:
    """A signed token. `token_id` must be unique; it is what a revocation names."""
    payload: dict[str, Any] = {
        "aud": audience,
        "jti": token_id,
        "iat": now,
        "nbf": now,
        "exp": now + valid_for,
    }
    optional = {
        "mesh": mesh,
        "name": name,
        "tags": {tag: list(values) for tag, values in tags.items()} if tags else None,
        "meshes": list(meshes) if meshes is not None else None,
        "service": service,
    }
    payload.update({claim: value for claim, value in optional.items() if value is not None})
    return jwt.encode(payload, key.key, algorithm=ALGORITHM, headers={"kid": key.id})


def verify(token: str, keys: Mapping[str, SigningKey], *, audience: str, now: datetime) -> Claims:
    """The claims of a valid token; `keys` by their id. Raises Unauthenticated, which never repeats the token."""
    claims = read(token, keys)
    if claims.audience != audience:
        kind = audience.rpartition("/")[2]
        raise Unauthenticated(
            f"this is a token for {claims.kind}, not for {kind}; `meshmeter token {kind}` makes one"
        )
    check_time(claims, now)
    return claims


def check_time(claims: Claims, now: datetime) -> None:
    """Raise Unauthenticated unless the token is valid at this time."""
    if now >= claims.expires_at:
        raise Unauthenticated(f"the token expired at {claims.expires_at:%Y-%m-%dT%H:%M:%SZ}; issue a new one")
    if claims.not_before - SKEW > now:
        raise Unauthenticated("the token is not valid yet: compare the clocks of both hosts")


def read(token: str, keys: Mapping[str, SigningKey]) -> Claims:
    """The claims of a token that one of the keys signed, whatever it is for and however old it is.

    Raises Unauthenticated, which never repeats the token.
    """
    try:
        kid = jwt.get_unverified_header(token).get("kid", "")
        key = keys.get(kid)
        if key is None:
            raise Unauthenticated("the token is signed by a key that is not known here; issue a new one")
        payload = jwt.decode(
            token,
            key.key.public_key(),
            algorithms=[ALGORITHM],
            # Times are checked against the caller's clock; the audience to tell the two faults apart.
            options={
                "require": ["aud", "jti", "iat", "nbf", "exp"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
            },
        )
        return _claims(payload, key.id)
    except jwt.InvalidSignatureError as exc:
        raise Unauthenticated("the token's signature is not valid; issue a new one") from exc
    except (jwt.PyJWTError, TypeError, ValueError, OverflowError) as exc:
        raise Unauthenticated("the token is malformed; issue a new one") from exc


def _claims(payload: Mapping[str, Any], key_id: str) -> Claims:
    def text(claim: str) -> str | None:
        value = payload.get(claim)
        if value is not None and not isinstance(value, str):
            raise ValueError(claim)
        return value

    def time(claim: str) -> datetime:
        return datetime.fromtimestamp(float(payload[claim]), UTC)

    meshes = payload.get("meshes")
    return Claims(
        audience=str(payload["aud"]),
        id=str(payload["jti"]),
        issued_at=time("iat"),
        not_before=time("nbf"),
        expires_at=time("exp"),
        key_id=key_id,
        mesh=text("mesh"),
        name=text("name"),
        tags={str(tag): tuple(map(str, values)) for tag, values in dict(payload.get("tags") or {}).items()},
        meshes=tuple(map(str, meshes)) if meshes is not None else None,
        service=text("service"),
    )


def check_dataplane(claims: Claims, mesh: str, name: str, tags: Mapping[str, set[str]] | None = None) -> None:
    """Raise PermissionDenied unless a dataplane token covers this proxy (kuma-facts 9.6).

    `tags` are all values of every tag of the Dataplane; None leaves them unchecked, for requests about a Dataplane
    that does not exist.
    """
    if claims.mesh is None or claims.mesh != mesh:
        raise PermissionDenied(f"mesh from requestor: {mesh} is different than in token: {claims.mesh or ''}")
    if claims.name is not None and claims.name != name:
        raise PermissionDenied(f"proxy name from requestor: {name} is different than in token: {claims.name}")
    if tags is None:
        return
    for tag, allowed in claims.tags.items():
        if tag not in tags:
            raise PermissionDenied(f'dataplane has no tag "{tag}" required by the token')
        for value in sorted(tags[tag] - set(allowed)):
            raise PermissionDenied(
                f'dataplane contains tag "{tag}" with value "{value}" which is not allowed with this token. '
                f"Allowed values in token are {', '.join(sorted(allowed))}"
            )


def check_identity(claims: Claims, mesh: str, service: str) -> None:
    """Raise PermissionDenied unless an identity token is for exactly this service of this mesh."""
    if claims.mesh is None or claims.mesh != mesh:
        raise PermissionDenied(f"the token is for mesh {claims.mesh or ''}, not for {mesh}")
    if claims.service is None or claims.service != service:
        raise PermissionDenied(f"the token is for service {claims.service or ''}, not for {service}")

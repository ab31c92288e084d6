"""Getting an identity from the control plane, and keeping it fresh."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from meshmeter.certs.signing_requests import make_request
from meshmeter.cli.client import ApiClient, path_to
from meshmeter.cli.identity_files import HeldIdentity, read_identity, write_identity
from meshmeter.errors import ApiError, MeshmeterError, SettingsError
from meshmeter.folders import UnsafeFolder

log = logging.getLogger(__name__)

POLL = 5.0
"""Seconds between two looks at what the mesh trusts: a new authority is known well before peers show its
certificates."""

PASSING = frozenset({0, 408, 425, 429})
"""Statuses after which the same request may work later, beside all of 500 and more; 0 is no answer at all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which identity, and where its files are to be."""

    mesh: str
    service: str
    folder: Path

    @property
    def uri(self) -> str:
        return f"spiffe://{self.mesh}/{self.service}"


def obtain(client: ApiClient, wanted: Wanted) -> HeldIdentity:
    """Make a key, have it certified, write the files. Raises ApiError, SettingsError if they cannot be written."""
    key = ec.generate_private_key(ec.SECP256R1())
    body = {"service": wanted.service, "csr": make_request(key).decode()}
    answer = client.post(f"{path_to('meshes', wanted.mesh)}/identities", body)
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        return write_identity(wanted.folder, answer["certificate"], key_pem, answer["trustBundle"])
    except OSError as exc:
        raise SettingsError(
            f"--out: cannot write to {exc.filename or wanted.folder}: {exc.strerror}"
        ) from exc
    except UnsafeFolder as exc:
        raise SettingsError(f"--out: cannot write to {wanted.folder}: {exc}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise ApiError(201, "the control plane answered with no certificate") from exc


def trust_of(client: ApiClient, mesh: str) -> str:
    """What the mesh trusts now. Raises ApiError."""
    return str(client.get(f"{path_to('meshes', mesh)}/trust")["trustBundle"])


async def keep(
    connect: Callable[[], ApiClient],
    wanted: Wanted,
    stop: asyncio.Event,
    *,
    announce: Callable[[HeldIdentity], None] = lambda _held: None,
    poll: float = POLL,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Renew at half of its life, and when the mesh trusts another authority, until `stop` is set.

    What is in the folder already and good is kept. `connect` is called for every look, so that a renewed token is in
    use at once. Without a good identity a refusal ends this (MeshmeterError); with one, everything is tried again.
    """
    held = read_identity(wanted.folder)
    if held is not None and (wanted.uri not in held.uris or now() >= held.not_after):
        held = None
    told = ""
    while not stop.is_set():
        try:
            fresh = await asyncio.to_thread(_look, connect, wanted, held, now())
            if fresh is not held:
                held = fresh
                announce(fresh)
            told = ""
        except MeshmeterError as exc:
            passing = isinstance(exc, ApiError) and (exc.status in PASSING or exc.status >= 500)
            if not passing and (held is None or now() >= held.not_after):
                raise
            if str(exc) != told:
                log.warning("cannot renew the identity, trying again: %s", exc)
                told = str(exc)
        try:
            async with asyncio.timeout(_pause(held, poll, now())):
                await stop.wait()
        except TimeoutError:
            continue


def _pause(held: HeldIdentity | None, poll: float, now: datetime) -> float:
    """Seconds until the next look: sooner if the identity is to be renewed before."""
    if held is None or held.renew_at <= now:
        return poll
    return min(poll, (held.renew_at - now).total_seconds())


def _look(
    connect: Callable[[], ApiClient], wanted: Wanted, held: HeldIdentity | None, now: datetime
) -> HeldIdentity:
    """One look: a new identity if it is time for one, else the one that is held."""
    client = connect()
    if held is not None and now < held.renew_at and trust_of(client, wanted.mesh) == held.trust_bundle:
        return held
    return obtain(client, wanted)

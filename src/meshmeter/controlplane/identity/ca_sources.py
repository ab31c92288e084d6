"""Where the authority of a mesh comes from: made here on first need and kept, or provided by the user (kuma-facts 9.7).

A `file` is one of the control plane's host; a `secret` is one of the mesh's in the vault.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from meshmeter.certs.mesh_ca import MeshAuthority, SigningKey, make_authority, read_authority, renew_at
from meshmeter.controlplane.identity.file_reads import FileReads, read_file
from meshmeter.controlplane.identity.secret_vault import SecretVault
from meshmeter.durations import parse_single
from meshmeter.errors import MeshAuthorityUnusable
from meshmeter.resources.mesh import Mtls, MtlsBackend
from meshmeter.resources.validation.authority import (
    BUILTIN,
    LARGEST_RSA,
    SMALLEST_RSA,
    FileReader,
    provided_ca_violations,
)

DEFAULT_VALIDITY = timedelta(days=3650)
LONGEST_VALIDITY = timedelta(days=36500)


class AuthoritySource:
    """Finds or makes the authority that a Mesh names."""

    def __init__(
        self,
        vault: SecretVault,
        *,
        now: Callable[[], datetime],
        files: FileReader = read_file,
    ):
        self._vault = vault
        self._now = now
        self._files = FileReads(files)

    async def authority(self, mesh: str, mtls: Mtls) -> MeshAuthority:
        """The authority in force. Raises MeshAuthorityUnusable, StoreUnavailable."""
        backend = mtls.enabled()
        if backend is None:
            raise MeshAuthorityUnusable(
                mesh, f"mtls.enabledBackend {mtls.enabled_backend!r} is none of the backends"
            )
        try:
            if backend.type == BUILTIN:
                found = await self._builtin(mesh, backend)
            else:
                found = await self._provided(mesh, backend, judge=not mtls.skip_validation)
        except ValueError as exc:
            raise MeshAuthorityUnusable(mesh, str(exc)) from exc
        now = self._now()
        if not found.certificate.not_valid_before_utc <= now < found.not_after:
            raise MeshAuthorityUnusable(
                mesh,
                f"it is valid from {found.certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ} to "
                f"{found.not_after:%Y-%m-%dT%H:%M:%SZ}, which is not now",
            )
        return found

    async def _builtin(self, mesh: str, backend: MtlsBackend) -> MeshAuthority:
        name = f"{mesh}/ca-builtin/{backend.name}"
        kept = await self._vault.get(name)
        if kept is not None:
            found = read_authority(kept, kept)
            # One that is not valid yet was made while the clock was ahead.
            if found.certificate.not_valid_before_utc <= self._now() < renew_at(found.certificate):
                return found
        conf = (backend.conf or {}).get("caCert")
        made = make_authority(
            mesh,
            await _new_key(conf),
            serial=x509.random_serial_number(),
            now=self._now(),
            valid_for=_validity(conf),
        )
        await self._vault.put(name, made.to_pem())
        return made

    async def _provided(self, mesh: str, backend: MtlsBackend, *, judge: bool) -> MeshAuthority:
        conf = backend.conf or {}
        for violation in provided_ca_violations(conf, "conf"):
            if judge or "data source" in violation.reason or "defined" in violation.reason:
                raise ValueError(str(violation))
        cert, key = [await self._data(mesh, part, conf[part]) for part in ("cert", "key")]
        if judge:
            inline = {"cert": _inline(cert), "key": _inline(key)}
            for violation in provided_ca_violations(inline, "conf"):
                raise ValueError(str(violation))
        return read_authority(cert, key)

    async def _data(self, mesh: str, part: str, source: Mapping[str, Any]) -> bytes:
        """The data of `cert` or `key`, whose source has been judged. Raises ValueError."""
        if name := source.get("secret"):
            found = await self._vault.get(f"{mesh}/secret/{name}")
            if found is None:
                raise ValueError(f"conf.{part}: could not load data: mesh {mesh} has no secret {name!r}")
            return found
        if path := source.get("file"):
            try:
                return await self._files.read(mesh, path)
            except (OSError, ValueError) as exc:
                reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
                raise ValueError(f"conf.{part}: could not load data: open {path}: {reason}") from exc
        if inline := source.get("inline"):
            return base64.b64decode(inline)
        return str(source["inlineString"]).encode(errors="replace")


def is_external(backend: MtlsBackend) -> bool:
    """Whether the authority may change without the Mesh: its data is in files or secrets."""
    sources = (backend.conf or {}).values() if backend.type != BUILTIN else ()
    return any(isinstance(source, Mapping) and {"file", "secret"} & source.keys() for source in sources)


def _inline(data: bytes) -> dict[str, str]:
    return {"inline": base64.b64encode(data).decode()}


async def _new_key(conf: object) -> SigningKey:
    """RSA of the size that is asked for, else ECDSA P-256. Raises ValueError."""
    written = conf if isinstance(conf, Mapping) else {}
    bits = written.get("RSAbits", written.get("rsaBits"))
    if bits is None:
        return ec.generate_private_key(ec.SECP256R1())
    if not isinstance(bits, int) or not SMALLEST_RSA <= bits <= LARGEST_RSA:
        raise ValueError(f"conf.caCert.RSAbits must be a number from {SMALLEST_RSA} to {LARGEST_RSA}")
    return await asyncio.to_thread(rsa.generate_private_key, 65537, bits)


def _validity(conf: object) -> timedelta:
    written = conf.get("expiration") if isinstance(conf, Mapping) else None
    if written is None:
        return DEFAULT_VALIDITY
    parsed = parse_single(written) if isinstance(written, str) else None
    if not parsed:
        raise ValueError("conf.caCert.expiration has to be a valid format")
    return min(parsed, LONGEST_VALIDITY)

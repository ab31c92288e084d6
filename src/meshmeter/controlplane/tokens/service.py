"""TokenService: issues tokens, remembers which, revokes them, and changes the key that signs them.

Every token has a record in the store before it is handed out. Records are mirrored in memory, where each request is
checked against them, so a revocation holds for the next request. A record is forgotten some time after its token has
expired; an earlier signing key with the last of its records.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from meshmeter.certs.tokens import ADMIN, SigningKey, issue, read, verify
from meshmeter.controlplane.tokens.signing_keys import SigningKeys
from meshmeter.errors import StoreUnavailable, TokenNotFound, Unauthenticated
from meshmeter.files import read_secret
from meshmeter.steady_clock import utc_now
from meshmeter.store.base import Store
from meshmeter.store.token_records import TokenRecord
from meshmeter.whole_files import write_whole

log = logging.getLogger(__name__)

LOCAL_ADMIN_VALIDITY = timedelta(days=365)
"""Of the admin token in the data directory."""

LOCAL_ADMIN_RENEWAL = timedelta(days=30)
"""It is written anew when it is valid for less than this."""

KEPT = timedelta(days=1)
"""A record is kept until its token has been seen to be expired for this long without a break, by the time that passes.
A clock that was ahead, or is set back, must not bring a revoked token back nor cost a key whose tokens are good."""

HOUSEKEEPING = 3600.0
"""Seconds between two looks for what can be forgotten."""


class TokenService:
    """One per control plane, in one event loop. Make one with `open`.

    What changes the store may raise StoreUnavailable, what changes the key files OSError.
    """

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        admin_file: Path,
        records: Sequence[TokenRecord] = (),
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        on_withdrawn: Callable[[], None] = lambda: None,
    ):
        """`on_withdrawn` is told when tokens that were good are so no longer."""
        self._monotonic = monotonic
        self._looks: deque[tuple[float, datetime]] = deque()
        """When records were looked at, and what the clock said: those of the last `KEPT`, and the one before."""
        self._store = store
        self._keys = keys
        self._admin_file = admin_file
        self._records = {record.id: record for record in records}
        self._now = now
        self._on_withdrawn = on_withdrawn
        self._changing = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        store: Store,
        keys: SigningKeys,
        admin_file: Path,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        on_withdrawn: Callable[[], None] = lambda: None,
    ) -> TokenService:
        """The service, with a valid admin token in `admin_file`. Raises StoreUnavailable, OSError."""
        service = cls(store, keys, admin_file, await store.tokens(), now, monotonic, on_withdrawn)
        await service.tidy()
        return service

    @property
    def keys(self) -> Mapping[str, SigningKey]:
        """The keys that verify, by id, as they are at any time."""
        return self._keys

    def is_revoked(self, token_id: str) -> bool:
        record = self._records.get(token_id)
        return record is not None and record.revoked_at is not None

    def records(self) -> list[TokenRecord]:
        """The records of the tokens that have not expired, oldest first."""
        now = self._now()
        valid = (record for record in self._records.values() if now < record.expires_at)
        return sorted(valid, key=lambda record: (record.issued_at, record.id))

    async def issue(
        self,
        audience: str,
        valid_for: timedelta,
        *,
        mesh: str | None = None,
        name: str | None = None,
        tags: Mapping[str, Sequence[str]] | None = None,
        meshes: Sequence[str] | None = None,
        service: str | None = None,
    ) -> str:
        """A new token, whose record is in the store. What the claims mean is in `certs.tokens`."""
        subject = {"mesh": mesh, "name": name, "tags": tags, "meshes": meshes, "service": service}
        async with self._changing:
            key, now = self._keys.current, self._now()
            record = TokenRecord(
                id=secrets.token_hex(16),
                key_id=key.id,
                audience=audience,
                issued_at=now,
                expires_at=now + valid_for,
                subject={claim: value for claim, value in subject.items() if value is not None},
            )
            await self._put(record)
        return issue(
            key,
            audience,
            token_id=record.id,
            now=now,
            valid_for=valid_for,
            mesh=mesh,
            name=name,
            tags=tags,
            meshes=meshes,
            service=service,
        )

    async def revoke(self, token_id: str) -> TokenRecord:
        """Revoke the token of this id; its record. Raises TokenNotFound."""
        async with self._changing:
            record = self._records.get(token_id)
            if record is None or self._now() >= record.expires_at:
                raise TokenNotFound
            return await self._revoke(record)

    async def revoke_token(self, token: str) -> TokenRecord:
        """Revoke this token, also if it has no record here. Raises Unauthenticated if it is not one of ours."""
        claims = read(token, self._keys)
        async with self._changing:
            record = self._records.get(claims.id) or TokenRecord(
                id=claims.id,
                key_id=claims.key_id,
                audience=claims.audience,
                issued_at=claims.issued_at,
                expires_at=claims.expires_at,
            )
            return await self._revoke(record)

    async def rotate(self, *, overlap: bool) -> SigningKey:
        """A new key signs from now on. Without `overlap` every token signed before is void at once."""
        async with self._changing:
            new = self._keys.rotate()
            if not overlap:
                self._keys.retire(lambda _: False)
                self._on_withdrawn()
            log.info("tokens are signed by a new key, %s, from now on", new.id)
        await self._write_local_admin()
        return new

    async def run(self) -> None:
        """Forget what is not needed any more and renew the local admin token, until cancelled."""
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            try:
                await self.tidy()
            except (StoreUnavailable, OSError) as exc:
                log.warning("cannot tidy up the tokens, trying again later: %s", exc)

    async def _revoke(self, record: TokenRecord) -> TokenRecord:
        if record.revoked_at is None:
            record = replace(record, revoked_at=self._now())
            await self._put(record)
            self._on_withdrawn()
            log.info("token %s (%s) is revoked", record.id, record.audience.rpartition("/")[2])
        return record

    async def _put(self, record: TokenRecord) -> None:
        await self._store.put_token(record)
        self._records[record.id] = record

    async def tidy(self) -> None:
        """Forget what can be forgotten now, and have a good local admin token. Raises StoreUnavailable, OSError."""
        async with self._changing:
            end = self._expired_for_long()
            if end is not None:
                await self._store.forget_tokens(end)
                self._records = {id_: r for id_, r in self._records.items() if r.expires_at >= end}
                needed = {record.key_id for record in self._records.values()}
                for key_id in self._keys.retire(lambda key_id: key_id in needed):
                    log.info("the last token of signing key %s has expired, the key is removed", key_id)
        await self._keep_local_admin()

    def _expired_for_long(self) -> datetime | None:
        """What expired before then was so at every look of the last `KEPT`; None if there was none so long ago."""
        since_start = self._monotonic()
        self._looks.append((since_start, self._now()))
        begin = since_start - KEPT.total_seconds()
        while len(self._looks) > 1 and self._looks[1][0] <= begin:
            self._looks.popleft()
        if self._looks[0][0] > begin:
            return None
        return min(moment for _, moment in self._looks)

    async def _keep_local_admin(self) -> None:
        """Write the admin token anew unless it is valid, here and for a while."""
        file = self._admin_file
        if file.exists():
            try:
                text = read_secret(file).decode(errors="replace").strip()
                claims = verify(text, self._keys, audience=ADMIN, now=self._now())
            except Unauthenticated:
                pass  # expired, garbage, or of a signing key that is gone
            else:
                if claims.expires_at - self._now() > LOCAL_ADMIN_RENEWAL and not self.is_revoked(claims.id):
                    return
        await self._write_local_admin()

    async def _write_local_admin(self) -> None:
        token = await self.issue(ADMIN, LOCAL_ADMIN_VALIDITY)
        write_whole(self._admin_file, token.encode() + b"\n", 0o600)

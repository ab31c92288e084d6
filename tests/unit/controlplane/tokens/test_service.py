from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meshmeter.certs.tokens import ADMIN, DATAPLANE, issue, verify
from meshmeter.controlplane.tokens.service import TokenService
from meshmeter.controlplane.tokens.signing_keys import SigningKeys
from meshmeter.errors import TokenNotFound, Unauthenticated
from meshmeter.store.sqlite import SqliteStore

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.now, self.passed = NOW, 0.0

    def __call__(self) -> datetime:
        return self.now

    async def pass_time(self, service: TokenService, span: timedelta) -> None:
        """In steps of half a day, each of which ends with some housekeeping."""
        for _ in range(int(span / (DAY / 2))):
            self.now += DAY / 2
            self.passed += 43200.0
            await service.tidy()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "m.db")
    yield opened
    await opened.close()


async def start(store: SqliteStore, folder: Path, clock: Clock) -> TokenService:
    return await TokenService.open(
        store, SigningKeys.open(folder), folder / "admin.token", clock, lambda: clock.passed
    )


def local_admin(folder: Path) -> str:
    return (folder / "admin.token").read_text().strip()


async def test_a_token_has_a_record_that_does_not_hold_it(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    service = await start(store, tmp_path, clock)
    token = await service.issue(DATAPLANE, DAY, mesh="default", name="web", tags={"a": ["1", "2"]})
    claims = verify(token, service.keys, audience=DATAPLANE, now=NOW)
    record = {r.id: r for r in await store.tokens()}[claims.id]
    assert (record.audience, record.key_id, record.revoked_at) == (DATAPLANE, claims.key_id, None)
    assert (record.issued_at, record.expires_at) == (NOW, NOW + DAY)
    assert record.subject == {"mesh": "default", "name": "web", "tags": {"a": ["1", "2"]}}
    assert record in service.records()
    assert token not in str(record) and token.rpartition(".")[2] not in str(record)


async def test_a_revocation_is_in_force_at_once_and_after_a_restart(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    service = await start(store, tmp_path, clock)
    token = await service.issue(DATAPLANE, DAY, mesh="default")
    claims = verify(token, service.keys, audience=DATAPLANE, now=NOW)
    assert not service.is_revoked(claims.id)
    revoked = await service.revoke(claims.id)
    assert revoked.revoked_at == NOW and service.is_revoked(claims.id)
    clock.now += timedelta(hours=1)
    assert (await service.revoke(claims.id)).revoked_at == NOW, "a second time changes nothing"
    assert (await start(store, tmp_path, clock)).is_revoked(claims.id)


async def test_the_token_itself_can_be_revoked_also_without_a_record(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    service = await start(store, tmp_path, clock)
    keys = SigningKeys.open(tmp_path)
    unknown = issue(keys.current, ADMIN, token_id="from-elsewhere", now=NOW, valid_for=DAY)
    await service.revoke_token(unknown)
    assert service.is_revoked("from-elsewhere")
    with pytest.raises(Unauthenticated) as refused:
        await service.revoke_token("x.y.z")
    assert "x.y.z" not in str(refused.value)


async def test_an_unknown_or_expired_id_is_told_and_not_repeated(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    service = await start(store, tmp_path, clock)
    token = await service.issue(DATAPLANE, DAY, mesh="default")
    (expiring,) = [r for r in service.records() if r.audience == DATAPLANE]
    clock.now += 2 * DAY
    for token_id in ("nope", expiring.id, token):
        with pytest.raises(TokenNotFound) as refused:
            await service.revoke(token_id)
        assert token_id not in str(refused.value)


async def test_after_a_rotation_old_tokens_are_good_until_they_expire(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    service = await start(store, tmp_path, clock)
    old_key = next(iter(service.keys))
    old = await service.issue(DATAPLANE, 400 * DAY, mesh="default")
    new_key = await service.rotate(overlap=True)
    new = await service.issue(DATAPLANE, DAY, mesh="default")
    for token, key_id in ((old, old_key), (new, new_key.id)):
        assert verify(token, service.keys, audience=DATAPLANE, now=NOW).key_id == key_id
    assert verify(local_admin(tmp_path), service.keys, audience=ADMIN, now=NOW).key_id == new_key.id
    await clock.pass_time(service, 399 * DAY)
    assert set(service.keys) == set(SigningKeys.open(tmp_path)) == {old_key, new_key.id}
    await clock.pass_time(service, 3 * DAY)
    assert list(service.keys) == list(SigningKeys.open(tmp_path)) == [new_key.id]


async def test_a_rotation_without_overlap_voids_everything_but_the_local_admin_token(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    service = await start(store, tmp_path, clock)
    old = await service.issue(DATAPLANE, DAY, mesh="default")
    await service.rotate(overlap=False)
    with pytest.raises(Unauthenticated, match="a key that is not known here"):
        verify(old, service.keys, audience=DATAPLANE, now=NOW)
    verify(local_admin(tmp_path), service.keys, audience=ADMIN, now=NOW)


async def test_records_are_forgotten_some_time_after_their_end(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    service = await start(store, tmp_path, clock)
    await service.issue(DATAPLANE, DAY, mesh="default")
    await clock.pass_time(service, DAY)
    assert [r.audience for r in service.records()] == [ADMIN]
    await start(store, tmp_path, clock)
    assert {r.audience for r in await store.tokens()} == {ADMIN, DATAPLANE}
    await clock.pass_time(service, 2 * DAY)
    assert {r.audience for r in await store.tokens()} == {ADMIN}


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_that_was_ahead_costs_no_record_and_no_key(
    store: SqliteStore, tmp_path: Path, clock: Clock, restarted: bool
) -> None:
    service = await start(store, tmp_path, clock)
    token = await service.issue(DATAPLANE, 30 * DAY, mesh="default")
    await service.rotate(overlap=True)
    revoked = await service.issue(DATAPLANE, 30 * DAY, mesh="default")
    record = await service.revoke_token(revoked)
    await clock.pass_time(service, DAY)
    clock.now += 40 * DAY
    if restarted:
        service = await start(store, tmp_path, clock)
    await clock.pass_time(service, DAY / 2)
    clock.now -= 40 * DAY
    await clock.pass_time(service, DAY)
    service = await start(store, tmp_path, clock)
    assert service.is_revoked(record.id)
    assert verify(token, service.keys, audience=DATAPLANE, now=clock.now)


# The admin token in the data directory


@pytest.mark.parametrize("age", [0, 300])
async def test_the_local_admin_token_is_kept_while_it_is_good_for_a_month(
    store: SqliteStore, tmp_path: Path, clock: Clock, age: int
) -> None:
    await start(store, tmp_path, clock)
    before = local_admin(tmp_path)
    assert stat.S_IMODE((tmp_path / "admin.token").stat().st_mode) == 0o600
    clock.now += age * DAY
    await start(store, tmp_path, clock)
    assert local_admin(tmp_path) == before


@pytest.mark.parametrize("age", [336, 400])
async def test_an_old_local_admin_token_is_written_anew(
    store: SqliteStore, tmp_path: Path, clock: Clock, age: int
) -> None:
    await start(store, tmp_path, clock)
    clock.now += age * DAY
    service = await start(store, tmp_path, clock)
    claims = verify(local_admin(tmp_path), service.keys, audience=ADMIN, now=clock.now)
    assert claims.expires_at - clock.now > 300 * DAY


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"a.b.c\n"])
async def test_a_damaged_local_admin_token_is_written_anew(
    store: SqliteStore, tmp_path: Path, clock: Clock, damage: bytes
) -> None:
    (tmp_path / "admin.token").write_bytes(damage)
    service = await start(store, tmp_path, clock)
    verify(local_admin(tmp_path), service.keys, audience=ADMIN, now=NOW)


async def test_a_revoked_local_admin_token_is_written_anew(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    service = await start(store, tmp_path, clock)
    before = local_admin(tmp_path)
    await service.revoke_token(before)
    again = await start(store, tmp_path, clock)
    claims = verify(local_admin(tmp_path), again.keys, audience=ADMIN, now=NOW)
    assert local_admin(tmp_path) != before and not again.is_revoked(claims.id)


async def test_a_lost_signing_key_gets_a_new_local_admin_token(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    await start(store, tmp_path, clock)
    (tmp_path / "signing.key").unlink()
    service = await start(store, tmp_path, clock)
    verify(local_admin(tmp_path), service.keys, audience=ADMIN, now=NOW)


async def test_revoking_and_a_rotation_without_overlap_are_told(
    store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    told: list[int] = []
    service = await TokenService.open(
        store,
        SigningKeys.open(tmp_path),
        tmp_path / "admin.token",
        clock,
        on_withdrawn=lambda: told.append(len(told)),
    )
    claims = verify(await service.issue(DATAPLANE, DAY, mesh="m"), service.keys, audience=DATAPLANE, now=NOW)
    await service.rotate(overlap=True)
    assert told == []
    await service.revoke(claims.id)
    assert told == [0]
    await service.rotate(overlap=False)
    assert told == [0, 1]

import sqlite3
from collections.abc import Iterator

import pytest

from meshmeter.errors import StoreUnavailable
from meshmeter.store import schema
from meshmeter.store.schema import STEPS, upgrade


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_a_new_database_takes_all_steps(db: sqlite3.Connection) -> None:
    upgrade(db, "m.db")
    assert version(db) == len(STEPS)
    assert tables(db) == {"resources", "revision", "secrets", "tokens"}


def test_an_older_database_takes_only_the_new_steps(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(db, "m.db")
    db.execute("UPDATE revision SET value = 42")
    monkeypatch.setattr(schema, "STEPS", (*STEPS, ("CREATE TABLE more (one TEXT)",)))
    upgrade(db, "m.db")
    assert version(db) == len(STEPS) + 1
    assert "more" in tables(db)
    assert db.execute("SELECT value FROM revision").fetchone() == (42,)


def test_a_step_that_fails_leaves_the_version_before_it(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (*STEPS, ("CREATE TABLE fine (one TEXT)",), ("CREATE TABLE half (one TEXT)", "no SQL"))
    monkeypatch.setattr(schema, "STEPS", steps)
    with pytest.raises(sqlite3.OperationalError):
        upgrade(db, "m.db")
    assert version(db) == len(STEPS) + 1
    assert "fine" in tables(db) and "half" not in tables(db)


def test_a_newer_database_is_refused(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA user_version = 99")
    with pytest.raises(
        StoreUnavailable, match=r"m\.db has schema version 99, this meshmeter knows versions up"
    ):
        upgrade(db, "m.db")

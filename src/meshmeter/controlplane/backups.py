"""Backup and restore of a data directory: the database as one whole file, the keys apart from it.

A backup directory has `meshmeter.db` and `backup.json`, which says what the copy is. The keys (`KEYS`) are written only
where they are asked for: whoever has both can open every secret and sign everything.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meshmeter import __version__
from meshmeter.controlplane.data_dir import DATABASE
from meshmeter.controlplane.identity.secret_vault import KEY_FILE
from meshmeter.errors import MeshmeterError, StartupError, StoreUnavailable
from meshmeter.files import read_file
from meshmeter.store.lock import FileLock
from meshmeter.store.opened_file import BESIDE
from meshmeter.store.schema import STEPS
from meshmeter.store.soundness import connect_to_read, damage
from meshmeter.times import rfc3339
from meshmeter.whole_files import sync_folder, write_whole

MANIFEST = "backup.json"

KEYS = ("ca.crt", "ca.key", "signing*.key", KEY_FILE)
"""Patterns of the files that a backup has only where keys are asked for."""

_MADE_AGAIN = ("server.crt", "server.key", "admin.token", "endpoints.json", f"{DATABASE}.lock")
"""What else a data directory without a database may have."""


class BackupError(MeshmeterError):
    """A backup or a restore is refused or failed; the message says what to do. Nothing is left half done."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup has."""

    resources: int
    secrets: int
    tokens: int
    revision: int
    keys: tuple[str, ...] = ()


def back_up(data_dir: Path, target: Path, *, keys: Path | None = None, now: datetime) -> Made:
    """Copy the database of a data directory, whose control plane may run, to a directory that is new or empty.

    With `keys` the keys are copied too, to that other directory. Raises BackupError.
    """
    source = data_dir / DATABASE
    if not source.is_file():
        raise BackupError(f"{source} does not exist: name the control plane's directory with --data-dir")
    if keys is not None and keys.resolve() == target.resolve():
        raise BackupError(
            f"--keys-dir is {target} too: keys belong apart from the database, name another directory"
        )
    found = _key_files(data_dir) if keys is not None else []
    with _told(target):
        _make_empty(target)
        if keys is not None:
            _make_empty(keys)
        partial = target / f".{DATABASE}.partial"
        with _removed_on_failure(partial):
            os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with closing(connect_to_read(source)) as reading, closing(sqlite3.connect(partial)) as writing:
                # In one step: it reads one moment of the database, and writers do not wait for it.
                reading.backup(writing, pages=-1)
                writing.execute("PRAGMA journal_mode = DELETE")
            made = _judge(partial, f"the copy of {source}")
            _sync(partial)
            manifest = {
                "program": f"meshmeter {__version__}",
                "made": rfc3339(now),
                "sha256": _digest(partial),
                "revision": made.revision,
                "keys": False,
            }
            os.replace(partial, target / DATABASE)
        write_whole(target / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n", 0o600)
        for file in found:
            assert keys is not None
            write_whole(keys / file.name, read_file(file), 0o644 if file.suffix == ".crt" else 0o600)
    return Made(made.resources, made.secrets, made.tokens, made.revision, tuple(file.name for file in found))


def restore(
    source: Path, data_dir: Path, *, keys: Path | None = None, before_use: Callable[[], None] = lambda: None
) -> Made:
    """Make the backup in `source` the database of a data directory that has none.

    The directory may have the keys already, or gets them from `keys`. The database appears last and whole. `before_use`
    is called when everything is verified. Raises BackupError.
    """
    backup = source / DATABASE
    if not backup.is_file():
        raise BackupError(f"{backup} does not exist: name a directory that `meshmeter backup` made")
    with _told(data_dir):
        existed = data_dir.exists()
        try:
            lock = FileLock.of(data_dir / DATABASE)
        except (StartupError, StoreUnavailable) as exc:
            raise BackupError(str(exc)) from exc
        try:
            return _restore(source, data_dir, keys, before_use)
        except BaseException:
            if not existed:
                (data_dir / f"{DATABASE}.lock").unlink(missing_ok=True)
                data_dir.rmdir()
            raise
        finally:
            lock.release()


def _restore(source: Path, data_dir: Path, keys: Path | None, before_use: Callable[[], None]) -> Made:
    brought = _key_files(keys) if keys is not None else []
    _refuse_what_is_there(data_dir, brought)
    partial = data_dir / f".{DATABASE}.restoring"
    with _removed_on_failure(partial):
        handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as copy, (source / DATABASE).open("rb") as original:
            shutil.copyfileobj(original, copy)
        _compare_with_manifest(source, _digest(partial))
        made = _judge(partial, f"{source / DATABASE}")
        has_key = (data_dir / KEY_FILE).exists() or any(file.name == KEY_FILE for file in brought)
        if made.secrets and not has_key:
            raise BackupError(
                f"the backup has {made.secrets} secrets that only its {KEY_FILE} opens: put that into {data_dir}, or "
                "name the directory of the keys with --keys-dir"
            )
        _sync(partial)
        before_use()
        written = []
        try:
            for file in brought:
                if not (data_dir / file.name).exists():
                    written.append(data_dir / file.name)
                    mode = 0o644 if file.suffix == ".crt" else 0o600
                    write_whole(data_dir / file.name, read_file(file), mode)
            os.replace(partial, data_dir / DATABASE)
        except BaseException:
            for file in written:
                file.unlink(missing_ok=True)
            raise
    sync_folder(data_dir)
    return Made(
        made.resources, made.secrets, made.tokens, made.revision, tuple(file.name for file in brought)
    )


def _refuse_what_is_there(data_dir: Path, brought: Sequence[Path]) -> None:
    for ending in BESIDE:
        if (file := data_dir / f"{DATABASE}{ending}").exists():
            raise BackupError(
                f"{file} exists: nothing is restored over a database; move it away, or name another --data-dir"
            )
    names = {file.name: file for file in brought}
    for there in sorted(data_dir.iterdir()):
        if there.name in names:
            if read_file(there) != read_file(names[there.name]):
                raise BackupError(f"{there} is another one than {names[there.name]}: move it away")
        elif not any(there.match(pattern) for pattern in (*KEYS, *_MADE_AGAIN, f".{DATABASE}.restoring")):
            raise BackupError(
                f"{data_dir} is not empty, it has {there.name}: move that away, or name another --data-dir"
            )


def _compare_with_manifest(source: Path, digest: str) -> None:
    """What `backup.json` says, unless there is none: a copy may have been made by other means."""
    try:
        manifest = json.loads(read_file(source / MANIFEST))
        expected = manifest["sha256"]
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError) as exc:
        raise BackupError(f"{source / MANIFEST} cannot be read ({exc}): use another backup") from exc
    if digest != expected:
        raise BackupError(
            f"{source / DATABASE} is not what {MANIFEST} says, it changed since: use another backup"
        )


def _judge(database: Path, what: str) -> Made:
    """What is in a database that nobody uses. Raises BackupError if it is damaged or of a newer program."""
    try:
        with closing(connect_to_read(database)) as connection:
            if (fault := damage(connection, thorough=True)) is not None:
                raise BackupError(f"{what} is damaged ({fault}): use another backup")

            def count(query: str) -> int:
                return int(connection.execute(query).fetchone()[0])

            version = count("PRAGMA user_version")
            if not 0 < version <= len(STEPS):
                raise BackupError(
                    f"{what} has schema version {version}, this meshmeter knows 1 to {len(STEPS)}: use the meshmeter "
                    "that wrote it"
                )
            tokens = count("SELECT count(*) FROM tokens") if version > 1 else 0
            return Made(
                resources=count("SELECT count(*) FROM resources"),
                secrets=count("SELECT count(*) FROM secrets WHERE instr(name, '/')"),
                tokens=tokens,
                revision=count("SELECT value FROM revision"),
            )
    except (sqlite3.Error, TypeError) as exc:
        raise BackupError(f"{what} cannot be read ({exc}): use another backup") from exc


def _key_files(folder: Path) -> list[Path]:
    """The keys in a directory. Raises BackupError if it has none."""
    found = sorted(file for pattern in KEYS for file in folder.glob(pattern))
    if not found:
        raise BackupError(f"{folder} has no keys ({', '.join(KEYS)})")
    return found


def _make_empty(folder: Path) -> None:
    """A directory for its owner alone that has nothing in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty: name a new directory")
    folder.chmod(0o700)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _sync(file: Path) -> None:
    with file.open("rb") as content:
        os.fsync(content.fileno())


@contextmanager
def _removed_on_failure(partial: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for file in partial.parent.glob(f"{partial.name}*"):
            file.unlink(missing_ok=True)
        raise


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What the system or SQLite refuses, as a BackupError."""
    try:
        yield
    except OSError as exc:
        raise BackupError(f"cannot use {exc.filename or folder}: {exc.strerror}") from exc
    except sqlite3.Error as exc:
        raise BackupError(f"the database cannot be copied: {exc}") from exc

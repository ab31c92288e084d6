"""Whether the file that was opened is still the one of its name.

Whoever deletes or replaces a database that is in use takes away its name and not the file: everything seems to work,
and what is written is gone with the process.
"""

from __future__ import annotations

import os
from pathlib import Path

BESIDE = ("", "-wal", "-shm")
"""What belongs to one database, as endings of its name."""

REMEDY = (
    "what was known before is served and nothing is written; if you moved it, move it back; else stop the control "
    "plane, restore a backup (`meshmeter restore`) or apply your manifests again, and start it"
)


class OpenedFile:
    """A database in use, with what SQLite keeps beside it."""

    def __init__(self, path: Path):
        """Call it once the database is open."""
        self._path = path
        self._known: dict[str, tuple[int, int]] = {}
        for ending in BESIDE:
            identity = self._identity(ending)
            if identity is not None:
                self._known[ending] = identity

    def fault(self) -> str | None:
        """What has happened to the names, and what heals it; None if nothing has."""
        for ending in BESIDE:
            try:
                identity = self._identity(ending)
            except OSError as exc:
                return f"{self._path}{ending} cannot be looked at: {exc.strerror}; {REMEDY}"
            known = self._known.get(ending)
            if known is None:
                if identity is not None:
                    self._known[ending] = identity
            elif identity is None:
                return f"{self._path}{ending} was deleted or moved while it was in use: {REMEDY}"
            elif identity != known:
                return f"{self._path}{ending} was replaced by another file while it was in use: {REMEDY}"
        return None

    def _identity(self, ending: str) -> tuple[int, int] | None:
        try:
            found = os.stat(f"{self._path}{ending}")
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

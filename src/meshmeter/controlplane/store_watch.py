"""Looks after the database while it is in use: is it still there, and is it sound?"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from meshmeter.errors import StoreUnavailable
from meshmeter.store.soundness import look_for_damage
from meshmeter.store.sqlite import SqliteStore

log = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between two looks whether the file is there."""


class StoreWatch:
    """`run` looks, `reason` tells."""

    def __init__(
        self,
        store: SqliteStore,
        path: Path,
        *,
        interval: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`interval` is the seconds between two checks whether the database is sound; 0 means none."""
        self._store, self._path, self._interval = store, path, interval
        self._sleep, self._clock = sleep, clock
        self._damage: str | None = None
        self._told: str | None = None

    def reason(self) -> str | None:
        """Why the store is not what it should be; None if it is."""
        if self._store.fault is not None:
            return self._store.fault
        if self._damage is None:
            return None
        return f"{self._path} is damaged ({self._damage}): stop the control plane and restore a backup"

    async def run(self) -> None:
        """Look, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._interval > 0:
                tasks.create_task(self._check(), name="store: quick check")
            while True:
                try:
                    await self._store.look()
                except StoreUnavailable as exc:
                    log.debug("cannot look after the store: %s", exc)
                self._tell()
                await self._sleep(LOOK)

    async def _check(self) -> None:
        while True:
            started = self._clock()
            try:
                self._damage = await look_for_damage(self._path)
            except sqlite3.Error as exc:
                log.warning("cannot check whether %s is sound, trying again later: %s", self._path, exc)
            else:
                log.debug("checked %s in %.1f s", self._path, self._clock() - started)
            self._tell()
            await self._sleep(self._interval)

    def _tell(self) -> None:
        reason = self.reason()
        if reason != self._told:
            if reason is None:
                log.info("the store is as it should be again")
            else:
                log.error("%s", reason)
        self._told = reason

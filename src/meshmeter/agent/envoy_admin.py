"""What the agent asks Envoy's admin interface while it runs and stops; scrapes have a client of their own."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp

SECONDS = 2.0
"""An admin answer needs milliseconds; one that takes longer is not worth waiting for."""

_ACTIVE = r"^listener\..*\.downstream_cx_active$"
_CONNECTED = r"^control_plane\.connected_state$"
_STAT = re.compile(r"^(\S+): (\d+)$", re.MULTILINE)


class EnvoyAdmin:
    """Envoy's admin interface on a unix socket. No answer is a normal answer: Envoy may be gone."""

    def __init__(self, socket: Path):
        self._socket = socket

    async def answers(self) -> bool:
        """Whether Envoy has taken its bootstrap and runs; not whether it is ready for traffic."""
        return await self._ask("GET", "/ready", {}) is not None

    async def drain(self) -> bool:
        """Let connections end gracefully, then close the listeners. False if Envoy will not."""
        status = await self._ask("POST", "/drain_listeners", {"graceful": ""})
        return status is not None and status[0] == 200

    async def open_connections(self) -> int | None:
        """Connections through its listeners, the admin interface aside; None if it does not say."""
        stats = await self._stats(_ACTIVE)
        if stats is None:
            return None
        return sum(value for name, value in stats.items() if not name.startswith("listener.admin."))

    async def follows_control_plane(self) -> bool | None:
        """Whether its ADS stream is up, or it is to have none; None if it does not say."""
        stats = await self._stats(_CONNECTED)
        return all(stats.values()) if stats is not None else None

    async def _stats(self, filter: str) -> dict[str, int] | None:
        answer = await self._ask("GET", "/stats", {"filter": filter})
        if answer is None or answer[0] != 200:
            return None
        return {name: int(value) for name, value in _STAT.findall(answer[1])}

    async def _ask(self, method: str, path: str, query: dict[str, str]) -> tuple[int, str] | None:
        """Status and body; None if nobody answers."""
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(str(self._socket)),
                    timeout=aiohttp.ClientTimeout(total=SECONDS),
                ) as session,
                session.request(method, f"http://envoy{path}", params=query) as response,
            ):
                return response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

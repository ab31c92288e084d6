"""A real Envoy for tests, started on a bootstrap and always ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from support.require import envoy


async def until(check: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Repeat `check` (plain or async) until it gives something true; that. Fails the test after `seconds`.

    An AssertionError or a refused connection counts as "not yet".
    """
    last: object = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    last = check()
                    if asyncio.iscoroutine(last):
                        last = await last
                    if last:
                        return last
                except (AssertionError, OSError, aiohttp.ClientError) as exc:
                    last = exc
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {seconds:.0f} s for {what}; last: {last!r}") from None


@dataclass
class EnvoyProcess:
    """A running Envoy."""

    process: asyncio.subprocess.Process
    admin_socket: Path
    log: Path

    async def admin(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body of an admin request."""
        connector = aiohttp.UnixConnector(str(self.admin_socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://envoy{path}") as response,
        ):
            return response.status, await response.text()

    async def is_ready(self) -> bool:
        assert self.process.returncode is None, self.log.read_text()
        return (await self.admin("/ready"))[0] == 200

    async def prometheus(self) -> str:
        """Its metrics as it tells them itself."""
        status, body = await self.admin("/stats/prometheus")
        assert status == 200
        return body


@asynccontextmanager
async def running_envoy(
    bootstrap: dict[str, Any], folder: Path, *, name: str = "envoy"
) -> AsyncIterator[EnvoyProcess]:
    """An Envoy on this bootstrap, whose admin interface has to be on a unix socket. Needs not be ready."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(bootstrap))
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(envoy()),
            *("--config-path", str(path), "--use-dynamic-base-id", "--concurrency", "1"),
            *("--drain-time-s", "1", "--log-level", "info"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield EnvoyProcess(process, Path(bootstrap["admin"]["address"]["pipe"]["path"]), log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

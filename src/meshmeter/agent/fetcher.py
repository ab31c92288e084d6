"""Fetcher: carries out the fetches of a plan, all at once, each within its deadline and limits.

Nothing that a source does raises: it ends in a FetchResult that says what went wrong.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import aiohttp

from meshmeter.agent.address_policy import AddressPolicy, AddressRefused, CheckedResolver, literal
from meshmeter.agent.admin_connections import AdminConnections, BrokenAnswer, NotConnected, OnPiece
from meshmeter.agent.allowed_files import NO_FILES, AllowedFiles, FileRefused
from meshmeter.agent.credentials import CredentialsError, TlsContexts, authorization
from meshmeter.agent.decoding import DecodingError, TooLarge
from meshmeter.agent.heads import with_heads
from meshmeter.agent.http_client import Refused, followed, refusal, session_of
from meshmeter.scrape.config import SourceOptions
from meshmeter.scrape.plan import ENVOY, ENVOY_ACCEPT, Application, ScrapePlan
from meshmeter.scrape.results import FetchError, FetchResult

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
LOOP_HEADER = "Meshmeter-Scrape-Of"
"""Names the agent that fetches, after those whose fetches led to it, so that each recognises a request that came back
to it; see `hops`."""

WORDS = 160
"""Bytes of Envoy's answer that are repeated where it refuses a request."""

READERS = 4
"""Threads that read the files of entries."""

T = TypeVar("T")


class Fetcher:
    """Owns the connections to Envoy's admin interface and to the applications. Use as a context manager."""

    def __init__(
        self,
        admin_socket: Path,
        *,
        identity: str = "",
        files: AllowedFiles = NO_FILES,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`files`: what entries may name."""
        self._identity = identity
        self._clock = clock
        self._files = files
        # Apart from the loop: a file may be on a drive that does not answer.
        self._reading = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="files")
        self._sessions: dict[tuple[tuple[str, ...], tuple[str, int]], aiohttp.ClientSession] = {}
        self._envoy = AdminConnections(admin_socket)
        self._tls = TlsContexts(files)

    async def __aenter__(self) -> Fetcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._envoy.close()
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        self._reading.shutdown(wait=False, cancel_futures=True)

    async def fetch_all(self, plan: ScrapePlan) -> list[FetchResult]:
        """One result per source, in the order of `plan.names`. Returns when the last one is there, which is not
        later than the deadline."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._fetch_envoy(plan), name="scrape: Envoy"),
                *(
                    group.create_task(self._fetch_application(application, plan), name="scrape: application")
                    for application in plan.applications
                ),
            ]
        return [task.result() for task in tasks]

    async def fetch_applications(self, plan: ScrapePlan) -> list[FetchResult]:
        """One result per application, in the order of the plan."""
        return list(
            await asyncio.gather(
                *(self._fetch_application(application, plan) for application in plan.applications)
            )
        )

    async def stream_envoy(
        self, plan: ScrapePlan, on_head: Callable[[], None], on_piece: OnPiece
    ) -> FetchResult:
        """Envoy's answer, handed over piece by piece instead of in the result, which says how it ended.

        `on_head` is called before the first piece, and only for an answer that is a success. The plan has one target.
        """
        (target,) = plan.envoy

        async def get() -> FetchResult:
            content_type = await self._ask_envoy(target, plan.limits.envoy_bytes, on_head, on_piece)
            return FetchResult(ENVOY, 0.0, content_type=content_type)

        return await self._guarded(ENVOY, plan.deadline, get)

    async def _fetch_envoy(self, plan: ScrapePlan) -> FetchResult:
        async def get() -> FetchResult:
            content_type, bodies = None, []
            for target in plan.envoy:
                body = bytearray()

                async def arrived(piece: bytes, body: bytearray = body) -> None:
                    body.extend(piece)

                content_type = await self._ask_envoy(target, plan.limits.envoy_bytes, lambda: None, arrived)
                bodies.append(bytes(body))
            restrict_to = bodies[1] if len(bodies) > 1 else None
            return FetchResult(ENVOY, 0.0, bodies[0], content_type, restrict_to)

        return await self._guarded(ENVOY, plan.deadline, get)

    async def _ask_envoy(
        self, target: str, limit: int, on_head: Callable[[], None], on_piece: OnPiece
    ) -> str | None:
        """The Content-Type of a successful answer, whose parts are handed over. Raises as `AdminConnections.get`, and
        Refused with Envoy's words."""
        head: list[tuple[int, str | None]] = []
        words = bytearray()

        def begun(status: int, content_type: str | None) -> None:
            head.append((status, content_type))
            if status == 200:
                on_head()

        async def arrived(piece: bytes) -> None:
            if head[0][0] == 200:
                await on_piece(piece)
            else:
                words.extend(piece[: WORDS - len(words)])

        await self._envoy.get(target, {"Accept": ENVOY_ACCEPT}, limit, begun, arrived)
        ((status, content_type),) = head
        if status != 200:
            raise refusal(status, words.decode(errors="replace"))
        return content_type

    async def _fetch_application(self, application: Application, plan: ScrapePlan) -> FetchResult:
        options = application.options
        deadline = min(plan.deadline, options.timeout) if options.timeout else plan.deadline
        limit = plan.body_limit(application.name)

        async def get() -> FetchResult:
            headers = {
                "Accept": plan.application_accept,
                TIMEOUT_HEADER: f"{deadline:g}",
                LOOP_HEADER: ",".join((*plan.hops, self._identity)),
            }
            tls = None
            if options.bearer_token_file or options.basic_auth_file or options.scheme == "https":
                more, tls = await self._apart(lambda: self._protection(options))
                headers |= more
            async with AsyncExitStack() as stack:
                if options.unix_socket:
                    session = await self._socket_session(options.unix_socket, stack)
                    url = application.url
                else:
                    session = self._session(plan.allowed_networks, plan.metrics_endpoint)
                    url = replace(application, host=literal(application.host) or application.host).url
                body, content_type = await followed(
                    session, url, headers, limit, tls, options.server_name or None
                )
            return FetchResult(application.name, 0.0, body, content_type)

        return await self._guarded(application.name, deadline, get)

    async def _apart(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)

    def _protection(self, options: SourceOptions) -> tuple[dict[str, str], ssl.SSLContext | None]:
        """The headers and the trust of an entry. Raises CredentialsError."""
        tls = self._tls.get(options) if options.scheme == "https" else None
        return authorization(options, self._files), tls

    async def _socket_session(self, path: str, stack: AsyncExitStack) -> aiohttp.ClientSession:
        """A session, until the stack ends, of an application's unix socket, which is held open meanwhile. Raises
        FileRefused."""
        finding = self._files.socket(path)
        try:
            found = await self._apart(finding.__enter__)
        except OSError as exc:
            raise FileRefused(f"{path}: {exc.strerror}") from exc
        stack.push(finding)
        session = session_of(with_heads(aiohttp.UnixConnector(found, limit=0)))
        return await stack.enter_async_context(session)

    def _session(self, networks: tuple[str, ...], endpoint: tuple[str, int]) -> aiohttp.ClientSession:
        """The session that connects to this host and these networks; the configuration changes rarely."""
        session = self._sessions.get((networks, endpoint))
        if session is None:
            policy = AddressPolicy(networks, endpoint=endpoint)
            connector = aiohttp.TCPConnector(
                resolver=CheckedResolver(policy),
                socket_factory=policy.socket,
                use_dns_cache=False,
                limit=0,
                keepalive_timeout=75,
            )
            session = self._sessions[networks, endpoint] = session_of(with_heads(connector))
        return session

    async def _guarded(
        self, name: str, deadline: float, get: Callable[[], Awaitable[FetchResult]]
    ) -> FetchResult:
        """The result, with its duration, or with what went wrong."""
        started, status = self._clock(), 0
        try:
            async with asyncio.timeout(deadline):
                result = await get()
            return FetchResult(
                name, self._clock() - started, result.body, result.content_type, result.restrict_to
            )
        except TimeoutError:
            error, detail = FetchError.TIMEOUT, f"no complete answer within {deadline:g} s"
        except Refused as exc:
            error, status, detail = FetchError.STATUS, exc.status, str(exc)
        except AddressRefused as exc:
            error, detail = FetchError.ADDRESS, str(exc)
        except TooLarge as exc:
            error, detail = FetchError.TOO_LARGE, str(exc)
        except DecodingError as exc:
            error, detail = FetchError.DECODE, str(exc)
        except (CredentialsError, FileRefused) as exc:
            error, detail = FetchError.CREDENTIALS, str(exc)
        except (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError, ssl.SSLError) as exc:
            error, detail = FetchError.TLS, str(exc)
        except NotConnected as exc:
            error, detail = FetchError.CONNECT, _words(exc.error)
        except BrokenAnswer as exc:
            error, detail = FetchError.PROTOCOL, str(exc)
        except aiohttp.ClientConnectorError as exc:
            refused = isinstance(exc.os_error, AddressRefused)
            error = FetchError.ADDRESS if refused else FetchError.CONNECT
            detail = _words(exc.os_error)
        except aiohttp.ClientResponseError as exc:
            # Its text has the URL, parameters included, and pieces of the body.
            error, detail = FetchError.PROTOCOL, exc.message.partition("\n")[0].rstrip(": ")
        except (aiohttp.ClientError, ValueError, OSError) as exc:
            words = _words(exc) if isinstance(exc, OSError) else str(exc)
            error, detail = FetchError.PROTOCOL, words or type(exc).__name__
        detail = " ".join(detail.split())[:200]
        return FetchResult(name, self._clock() - started, error=error, status=status, detail=detail)


def _words(exc: OSError) -> str:
    """What the system says, without numbers and without Python's own words; each thing once where several addresses
    were tried."""
    if isinstance(exc, AddressRefused | socket.gaierror):
        return exc.strerror or str(exc)
    numbers = [exc.errno] if exc.errno else map(int, _ERRNO.findall(str(exc)))
    return ", ".join(dict.fromkeys(os.strerror(number).lower() for number in numbers)) or str(exc)


_ERRNO = re.compile(r"\[Errno ([0-9]+)\]")

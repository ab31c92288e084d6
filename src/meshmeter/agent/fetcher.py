"""Fetching sources: Envoy's admin over its unix socket, applications over TCP, each within its own limits.

Nothing that a source does can cost more than that source: it has a deadline, a limit of bytes after decompression, no
redirects, and never sees the scraper's headers.
"""

from __future__ import annotations

import asyncio
import socket
import time
import zlib
from collections.abc import Awaitable
from ipaddress import ip_address
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from meshmeter.exposition.formats import Format, response_format
from meshmeter.scrape.config import SourceConfig
from meshmeter.scrape.plan import ENVOY, ScrapePlan
from meshmeter.scrape.result import FetchResult, Reason

MAX_BODY = 16 << 20
"""Bytes of one application after decompression."""

MAX_ENVOY_BODY = 256 << 20
"""Bytes of Envoy's own answer, which grows with the number of its clusters."""

ENVOY_ACCEPT = "text/plain"
"""Envoy would answer protobuf to a scraper's usual Accept header."""

APPLICATION_ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)

USER_AGENT = "meshmeter-agent"


class Failure(Exception):
    """A source cannot be used; becomes a FetchResult."""

    def __init__(self, reason: Reason, detail: str):
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


class Fetcher:
    """Fetches all sources of a plan at once. An async context manager."""

    def __init__(self, admin_socket: Path):
        self._admin_socket = admin_socket
        self._admin: aiohttp.ClientSession | None = None
        self._applications: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Fetcher:
        self._admin = _session(aiohttp.UnixConnector(str(self._admin_socket), limit=0))
        self._applications = _session(
            aiohttp.TCPConnector(limit=0, resolver=CheckedResolver(), use_dns_cache=False)
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for session in (self._admin, self._applications):
            if session is not None:
                await session.close()

    async def fetch_all(self, plan: ScrapePlan) -> list[FetchResult]:
        """One result per source: Envoy, then the applications in declared order."""
        fetches = [self._guarded(ENVOY, plan.timeout, self._fetch_envoy(plan))]
        fetches += [
            self._guarded(source.name, plan.timeout, self._fetch_application(source)) for source in plan.sources
        ]
        return await asyncio.gather(*fetches)

    async def _guarded(
        self, name: str, timeout: float, fetch: Awaitable[tuple[tuple[bytes, ...], Format]]
    ) -> FetchResult:
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                bodies, format_ = await fetch
            return FetchResult(name, time.monotonic() - started, bodies, format_)
        except Failure as exc:
            reason, detail = exc.reason, exc.detail
        except TimeoutError:
            reason, detail = Reason.TIMEOUT, f"no complete answer within {timeout:.2f} s"
        except aiohttp.ClientConnectorError as exc:
            reason, detail = Reason.CONNECT, str(exc.os_error or exc)
        except (aiohttp.ClientConnectionError, aiohttp.InvalidURL, OSError) as exc:
            reason, detail = Reason.CONNECT, str(exc) or type(exc).__name__
            if isinstance(exc, aiohttp.ServerDisconnectedError):
                reason = Reason.PROTOCOL
        except aiohttp.ClientError as exc:
            reason, detail = Reason.PROTOCOL, str(exc) or type(exc).__name__
        return FetchResult(name, time.monotonic() - started, error=reason, detail=detail)

    async def _fetch_envoy(self, plan: ScrapePlan) -> tuple[tuple[bytes, ...], Format]:
        assert self._admin is not None
        bodies = []
        for target in plan.admin_targets:
            headers = {"Accept": ENVOY_ACCEPT, "Accept-Encoding": "identity"}
            async with self._admin.get(f"http://envoy{target}", headers=headers) as response:
                body = await _read(response, MAX_ENVOY_BODY)
                if response.status != 200:
                    raise Failure(Reason.STATUS, f"status {response.status}: {_excerpt(body)}")
                bodies.append(body)
        return tuple(bodies), Format.TEXT

    async def _fetch_application(self, source: SourceConfig) -> tuple[tuple[bytes, ...], Format]:
        assert self._applications is not None
        check_address(source.address)
        host = f"[{source.address}]" if ":" in source.address else source.address
        url = f"http://{host}:{source.port}{source.path}"
        headers = {"Accept": APPLICATION_ACCEPT, "Accept-Encoding": "gzip, deflate"}
        async with self._applications.get(url, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise Failure(Reason.STATUS, f"{url}: status {response.status}")
            format_ = _format(response)
            return (await _read(response, MAX_BODY),), format_


class CheckedResolver(AbstractResolver):
    """Resolves names and refuses what must not be asked, at the moment of connecting (DNS rebinding, design 8)."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            check_address(result["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()


def check_address(address: str) -> None:
    """Raise Failure for a link-local address, where cloud metadata services are, and for one that is no host."""
    try:
        ip = ip_address(address)
    except ValueError:
        return  # a name; it is checked when it is resolved
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        raise Failure(Reason.FORBIDDEN_ADDRESS, f"{address} must not be scraped")


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),  # the plan's deadline is the only clock
        auto_decompress=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        read_bufsize=1 << 18,
    )


def _format(response: aiohttp.ClientResponse) -> Format:
    declared = response.headers.get("Content-Type", "")
    if not declared.strip():
        return Format.TEXT
    found = response_format(declared)
    if found is None:
        raise Failure(Reason.CONTENT_TYPE, f"Content-Type {declared[:100]!r} is no exposition format")
    return found


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, decompressed, of at most `limit` bytes. Raises Failure."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        inflate = None
    elif encoding in ("gzip", "x-gzip", "deflate"):
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # finds gzip or zlib by itself
    else:
        raise Failure(Reason.DECODE, f"Content-Encoding {encoding[:40]!r} was not asked for")
    parts: list[bytes] = []
    size = 0
    try:
        async for chunk in response.content.iter_any():
            # Never inflate more than may be kept: a small body can stand for gigabytes.
            piece = inflate.decompress(chunk, limit - size + 1) if inflate else chunk
            size += len(piece)
            if size > limit:
                raise Failure(Reason.TOO_LARGE, f"more than {limit} bytes")
            parts.append(piece)
        if inflate is not None and not inflate.eof:
            raise Failure(Reason.DECODE, f"the {encoding} data end too early")
    except zlib.error as exc:
        raise Failure(Reason.DECODE, f"damaged {encoding} data: {exc}") from exc
    return b"".join(parts)


def _excerpt(body: bytes) -> str:
    return body[:200].decode(errors="replace").strip()

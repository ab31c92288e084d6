"""The HTTP client: one request to an application over HTTP and what it is answered, or why that is of no use.

Nothing is sent or believed that the agent's surroundings would have: no proxies, no cookies, no redirects to elsewhere.
Whoever asks sets the deadline and tells of failures: aiohttp's, and the ones here.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from meshmeter import __version__
from meshmeter.agent.decoding import ACCEPT_ENCODING, Decoder, TooLarge
from meshmeter.agent.heads import MOST_BYTES, MOST_FIELDS
from meshmeter.agent.redirects import STATUSES, NotFollowed, following, told

USER_AGENT = f"meshmeter/{__version__}"

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""A deadline is one for all that a source is asked, whatever part of it is slow."""


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, detail: str, location: str | None = None):
        self.status = status
        self.location = location
        super().__init__(detail)


def refusal(status: int, words: str, location: str | None = None) -> Refused:
    """An answer that is no success, with what may be repeated of it."""
    return Refused(status, f"HTTP status {status}" + (f": {words}" if words else ""), location)


def session_of(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """A session that trusts nothing of its environment and keeps no cookies. Bodies arrive as they were sent:
    decompression has a limit of ours."""
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": ACCEPT_ENCODING},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=_NO_TIMEOUT,
        max_line_size=MOST_BYTES,
        max_field_size=MOST_BYTES,
        max_headers=MOST_FIELDS,
    )


async def followed(
    session: aiohttp.ClientSession,
    url: str,
    headers: dict[str, str],
    limit: int,
    tls: ssl.SSLContext | None,
    server_name: str | None,
) -> tuple[bytes, str | None]:
    """Body and Content-Type of an application's answer, which may be where its first one leads: on the same server,
    so with the same headers, credentials among them, and the same trust. Raises what `body_of` raises."""
    urls = [url]
    while True:
        try:
            return await body_of(session, urls[-1], headers, limit, tls, server_name)
        except Refused as exc:
            if exc.status not in STATUSES:
                if len(urls) == 1:
                    raise
                raise Refused(exc.status, f"{exc} at {told(urls[-1])}, where a redirect leads") from None
            try:
                urls.append(following(urls, exc.location))
            except NotFollowed as why:
                raise Refused(exc.status, f"{exc}, {why}") from None


async def body_of(
    session: aiohttp.ClientSession,
    url: str,
    headers: dict[str, str],
    limit: int,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> tuple[bytes, str | None]:
    """Body and Content-Type of a successful answer. Raises Refused, TooLarge, DecodingError."""
    async with answered(session, url, headers, tls, server_name) as response:
        declared = response.content_length
        encoding = ",".join(response.headers.getall("Content-Encoding", ()))
        if declared is not None and declared > limit:
            raise TooLarge(f"the answer is announced with {declared} bytes, more than {limit}")
        decoder = Decoder(encoding, limit)
        async for piece in response.content.iter_any():
            await decoder.feed(piece)
        return decoder.finish(), response.headers.get("Content-Type")


@asynccontextmanager
async def answered(
    session: aiohttp.ClientSession,
    url: str,
    headers: dict[str, str],
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """A successful answer, whose body is still to be read. Of one that is none nothing is repeated: what an application
    says to the agent is not for everybody who may scrape. Raises Refused."""
    async with session.get(
        URL(url, encoded=True),
        headers=headers,
        allow_redirects=False,
        ssl=tls if tls is not None else True,
        server_hostname=server_name,
    ) as response:
        if response.status != 200:
            words = "it leads back to an endpoint that is being scraped" if response.status == 508 else ""
            raise refusal(response.status, words, response.headers.get("Location"))
        yield response

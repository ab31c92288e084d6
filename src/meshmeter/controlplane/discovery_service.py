"""The ADS server: delta discovery over gRPC and TLS for every Envoy.

A call begins with the proxy's token being checked against the node that it says it is; `AdsStream` does the rest. While
the call lasts the token is checked again every second: one that is revoked, expires, or no longer covers its
Dataplane ends the call.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import grpc
import grpc.aio

from meshmeter.controlplane.ads_stream import AdsStream, SlowClient, StreamHooks
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import PermissionDenied, StartupError, TokenError
from meshmeter.xds.cache import SnapshotCache
from meshmeter.xds.messages import METHOD, SERVICE, ProtocolError, Request, decode_request
from meshmeter.xds.protos import pool

log = logging.getLogger(__name__)

FIRST_REQUEST_SECONDS = 10.0
"""How long a client that has not said who it is may stay."""

STOP_SECONDS = 1.0
"""How long streams may take to end when the server stops, before they are cut."""

CHECK_SECONDS = 1.0
"""Between two checks whether the tokens of live streams are still good."""

CHECKED_AT_ONCE = 200
"""Streams that are checked before others may work."""

OPTIONS = (
    # Thousands of proxies that reconnect at once would otherwise be turned away.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    # A second server on the port must fail, not share it.
    ("grpc.so_reuseport", 0),
    # A proxy that vanished without a word is noticed, and proxies may look after us in the same way.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_receive_message_length", 4 << 20),
)


StillGood = Callable[[], None]
"""Raises TokenError as soon as a token that was let in is good no longer; cheap."""


class Hooks(StreamHooks, Protocol):
    """What the control plane does about streams. No hook may block."""

    def authenticate(self, token: str, mesh: str, name: str) -> StillGood:
        """Raises TokenError unless the token covers this proxy. An empty token means that there is none."""
        ...

    def on_connected(self, proxy: ProxyInfo) -> None:
        """A stream of this proxy has been let in; called for every stream."""
        ...

    def on_disconnected(self, mesh: str, name: str) -> None:
        """The proxy's last stream has ended."""
        ...


class _TurnedAway(Exception):
    """A call that is not let in."""

    def __init__(self, code: grpc.StatusCode, reason: str):
        self.code, self.reason = code, reason
        super().__init__(reason)

    @classmethod
    def by(cls, error: TokenError) -> _TurnedAway:
        """Because of the token."""
        denied = isinstance(error, PermissionDenied)
        return cls(
            grpc.StatusCode.PERMISSION_DENIED if denied else grpc.StatusCode.UNAUTHENTICATED, str(error)
        )


@dataclass(slots=True, eq=False)
class _Visit:
    """A proxy that was let in."""

    stream: AdsStream
    still_good: StillGood
    refusal: TokenError | None = None
    """Why it has to leave, once its token is good no longer."""


class DiscoveryService:
    """Serves the snapshots of a cache. `start` binds, `stop` ends all streams. One event loop only."""

    def __init__(
        self,
        cache: SnapshotCache,
        hooks: Hooks,
        *,
        identifier: str = "",
        check_seconds: float = CHECK_SECONDS,
    ):
        """`identifier` is what proxies show as their control plane; without one, the name of this host."""
        self._cache = cache
        self._hooks = hooks
        self._identifier = identifier or platform.node()
        self._visits: defaultdict[tuple[str, str], set[_Visit]] = defaultdict(set)
        self._check_seconds = check_seconds
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int, certificate_pem: bytes, key_pem: bytes) -> int:
        """Listen with TLS; the port, which is a free one if 0 was asked for. Raises StartupError."""
        pool()
        server = grpc.aio.server(options=OPTIONS)
        handler = grpc.stream_stream_rpc_method_handler(self._serve)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler})])
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = server.add_secure_port(address, grpc.ssl_server_credentials([(key_pem, certificate_pem)]))
        except RuntimeError as exc:
            raise StartupError(
                f"cannot listen on {address} for ADS: another process may hold the port; free it or choose "
                "another with --ads-port"
            ) from exc
        await server.start()
        self._server = server
        return int(bound)

    async def stop(self, grace: float = STOP_SECONDS) -> None:
        """End all streams; proxies keep their configuration and come back when there is a server again."""
        server, self._server = self._server, None
        if server is None:
            return
        for visits in self._visits.values():
            for visit in visits:
                visit.stream.stop()
        await server.stop(grace)

    async def run(self) -> None:
        """End the streams whose tokens are good no longer, until cancelled."""
        while True:
            await asyncio.sleep(self._check_seconds)
            for number, (key, visit) in enumerate(self._all_visits()):
                self._check(key, visit)
                if number % CHECKED_AT_ONCE == CHECKED_AT_ONCE - 1:
                    await asyncio.sleep(0)

    def _all_visits(self) -> list[tuple[tuple[str, str], _Visit]]:
        return [(key, visit) for key, visits in self._visits.items() for visit in visits]

    @staticmethod
    def _check(key: tuple[str, str], visit: _Visit) -> None:
        if visit.refusal is not None:
            return
        try:
            visit.still_good()
        except TokenError as exc:
            log.warning("%s/%s has to leave: %s", *key, exc)
            visit.refusal = exc
            visit.stream.stop()

    async def _serve(self, requests: AsyncIterator[bytes], context: Any) -> None:
        """One call. Whatever a client does ends at most its own call, with a status that says why."""
        messages = aiter(requests)
        try:
            first = await _first(messages)
            proxy, still_good = self._admit(first, _bearer_token(context))
            with self._attend(proxy, still_good, context) as visit:
                await visit.stream.run(first, messages)
            if visit.refusal is not None:
                raise _TurnedAway.by(visit.refusal)
        except _TurnedAway as exc:
            await context.abort(exc.code, exc.reason)
        except ProtocolError as exc:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(exc))
        except SlowClient as exc:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, str(exc))
        except grpc.aio.BaseError as exc:
            log.debug("a stream broke off: %s", exc)

    def _admit(self, first: Request, token: str) -> tuple[ProxyInfo, StillGood]:
        """Who is there, once the token says the same. Raises _TurnedAway."""
        if first.node is None:
            raise _TurnedAway(grpc.StatusCode.INVALID_ARGUMENT, "the first message has no node")
        try:
            proxy = ProxyInfo.from_metadata(first.node.metadata)
        except ValueError as exc:
            raise _TurnedAway(grpc.StatusCode.INVALID_ARGUMENT, str(exc)) from exc
        if first.node.id != proxy.node_id:
            raise _TurnedAway(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"the node id has to be {proxy.node_id} as its metadata says",
            )
        try:
            still_good = self._hooks.authenticate(token, proxy.mesh, proxy.dataplane)
        except TokenError as exc:
            log.warning("%s/%s is not let in: %s", proxy.mesh, proxy.dataplane, exc)
            raise _TurnedAway.by(exc) from exc
        if not proxy.envoy_version:
            proxy = replace(proxy, envoy_version=first.node.version)
        return proxy, still_good

    @contextmanager
    def _attend(self, proxy: ProxyInfo, still_good: StillGood, context: Any) -> Iterator[_Visit]:
        """The stream of a proxy, counted while it lasts. A proxy that reconnects may have two for a moment."""
        key = (proxy.mesh, proxy.dataplane)
        stream = AdsStream(
            *key,
            cache=self._cache,
            hooks=self._hooks,
            write=context.write,
            identifier=self._identifier,
        )
        visit = _Visit(stream, still_good)
        self._visits[key].add(visit)
        log.info("%s/%s connected", *key)
        try:
            self._hooks.on_connected(proxy)
            yield visit
        finally:
            self._visits[key].discard(visit)
            if not self._visits[key]:
                del self._visits[key]
                log.info("%s/%s disconnected", *key)
                self._hooks.on_disconnected(*key)


async def _first(messages: AsyncIterator[bytes]) -> Request:
    """The first message of a call. Raises ProtocolError, _TurnedAway."""
    try:
        async with asyncio.timeout(FIRST_REQUEST_SECONDS):
            return decode_request(await anext(messages))
    except TimeoutError as exc:
        raise _TurnedAway(grpc.StatusCode.DEADLINE_EXCEEDED, "no request came") from exc
    except StopAsyncIteration as exc:
        raise _TurnedAway(grpc.StatusCode.INVALID_ARGUMENT, "no request came") from exc


def _bearer_token(context: Any) -> str:
    """The token of the call's metadata; empty if there is none."""
    metadata = dict(context.invocation_metadata() or ())
    scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

"""The ADS server: delta discovery over gRPC and TLS for every Envoy.

A call begins with its token, which comes with the call's metadata: before it is found good nothing of the call is read.
Then the token is checked against the node that the first message names; `AdsStream` does the rest. While the call lasts
the token is checked again every second: one that is revoked, expires, or no longer covers its Dataplane ends the call.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import unquote

import grpc
import grpc.aio

from meshmeter.addresses import host_port
from meshmeter.certs.authority import KeyPair
from meshmeter.controlplane.ads.stream import LINGER, AdsStream, SlowClient, StreamHooks, decoded
from meshmeter.controlplane.http.clients import client_of
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import PermissionDenied, StartupError, TokenError
from meshmeter.logs import Seldom
from meshmeter.quoting import WORDS, quoted
from meshmeter.xds.cache import SnapshotCache
from meshmeter.xds.messages import METHOD, SERVICE, ProtocolError, Request
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

REFUSALS_AT_ONCE = 20
"""Lines of the log about calls that are not let in; then one a second."""

MAX_CONNECTIONS = 8192
"""Connections at most, unless it is told otherwise."""

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
    # Who says nothing is let go: after the TLS handshake has begun, and when no call is open.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 30_000),
    # Envoy has one call; a few more while it reconnects.
    ("grpc.max_concurrent_streams", 16),
)


StillGood = Callable[[], None]
"""Raises TokenError as soon as a token that was let in is good no longer; cheap."""

Admit = Callable[[str, str], StillGood]
"""Whether a good token covers the proxy of this mesh and name. Raises TokenError if it does not."""


class Hooks(StreamHooks, Protocol):
    """What the control plane does about streams. No hook may block."""

    def authenticate(self, token: str) -> Admit:
        """Raises TokenError unless the token is a good one. An empty token means that there is none."""
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
            grpc.StatusCode.PERMISSION_DENIED if denied else grpc.StatusCode.UNAUTHENTICATED,
            quoted(str(error), WORDS),
        )


@dataclass(slots=True, eq=False)
class _Visit:
    """A proxy that was let in."""

    stream: AdsStream
    still_good: StillGood
    refusal: TokenError | None = None
    """Why it has to leave, once its token is good no longer."""


class AdsServer:
    """Serves the snapshots of a cache. `start` binds, `stop` ends all streams. One event loop only."""

    def __init__(
        self,
        cache: SnapshotCache,
        hooks: Hooks,
        *,
        identifier: str = "",
        check_seconds: float = CHECK_SECONDS,
        linger: float = LINGER,
        max_connections: int = MAX_CONNECTIONS,
        max_calls_per_client: int = MAX_CONNECTIONS,
    ):
        """`identifier` is what proxies show as their control plane; without one, the name of this host. `linger` is
        how many seconds they keep what their listeners use no more."""
        self._cache = cache
        self._hooks = hooks
        self._identifier = identifier or platform.node()
        self._visits: defaultdict[tuple[str, str], set[_Visit]] = defaultdict(set)
        self._check_seconds = check_seconds
        self._linger = linger
        self._max_connections = max_connections
        self._max_calls_per_client = max_calls_per_client
        self._calls: Counter[str] = Counter()
        """By client."""
        self._refusals = Seldom(1.0, at_once=REFUSALS_AT_ONCE)
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int, certificate: Callable[[], KeyPair]) -> int:
        """Listen with TLS; the port, which is a free one if 0 was asked for. Raises StartupError.

        `certificate` gives what each new connection is shown; it is called from threads of gRPC.
        """
        pool()
        server = grpc.aio.server(
            options=(*OPTIONS, ("grpc.max_allowed_incoming_connections", self._max_connections))
        )
        handler = grpc.stream_stream_rpc_method_handler(self._serve)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler})])
        address = host_port(host, port)
        try:
            bound = server.add_secure_port(address, _credentials(certificate))
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

    def in_step(self, mesh: str) -> bool:
        """Whether every connected proxy of a mesh has all that it is to have now."""
        return all(
            visit.stream.in_step for key, visits in self._visits.items() if key[0] == mesh for visit in visits
        )

    def _all_visits(self) -> list[tuple[tuple[str, str], _Visit]]:
        return [(key, visit) for key, visits in self._visits.items() for visit in visits]

    @staticmethod
    def _check(key: tuple[str, str], visit: _Visit) -> None:
        if visit.refusal is not None:
            return
        try:
            visit.still_good()
        except TokenError as exc:
            log.warning("%s has to leave: %s", quoted("/".join(key)), quoted(str(exc), WORDS))
            visit.refusal = exc
            visit.stream.stop()

    async def _serve(self, requests: AsyncIterator[bytes], context: Any) -> None:
        """One call. Whatever a client does ends at most its own call, with a status that says why."""
        client = _client(context)
        self._calls[client] += 1
        try:
            if self._calls[client] > self._max_calls_per_client:
                raise _TurnedAway(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"{client} has {self._max_calls_per_client} calls open, which is the most for one client; "
                    "raise --max-connections-per-client if it needs more",
                )
            admit = self._authenticate(context)
            messages = aiter(requests)
            first = await _first(messages)
            proxy, still_good = self._admit(first, admit)
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
        finally:
            self._calls[client] -= 1
            if not self._calls[client]:
                del self._calls[client]

    def _authenticate(self, context: Any) -> Admit:
        """Before anything of the call is read. Raises _TurnedAway."""
        try:
            return self._hooks.authenticate(_bearer_token(context))
        except TokenError as exc:
            self._tell(_client(context), exc)
            raise _TurnedAway.by(exc) from exc

    def _tell(self, who: str, why: TokenError) -> None:
        held_back = self._refusals.due()
        if held_back is not None:
            more = f" (and {held_back} more calls since the last such line)" if held_back else ""
            log.warning("%s is not let in: %s%s", quoted(who), quoted(str(why), WORDS), more)

    def _admit(self, first: Request, admit: Admit) -> tuple[ProxyInfo, StillGood]:
        """Who is there, once the token says the same. Raises _TurnedAway."""
        if first.node is None:
            raise _TurnedAway(grpc.StatusCode.INVALID_ARGUMENT, "the first message has no node")
        try:
            proxy = ProxyInfo.from_metadata(first.node.metadata)
        except ValueError as exc:
            raise _TurnedAway(grpc.StatusCode.INVALID_ARGUMENT, quoted(str(exc))) from exc
        if first.node.id != proxy.node_id:
            raise _TurnedAway(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"the node id has to be {quoted(proxy.node_id)} as its metadata says",
            )
        try:
            still_good = admit(proxy.mesh, proxy.dataplane)
        except TokenError as exc:
            self._tell(f"{proxy.mesh}/{proxy.dataplane}", exc)
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
            linger=self._linger,
        )
        visit = _Visit(stream, still_good)
        self._visits[key].add(visit)
        shown = quoted("/".join(key))
        log.info("%s connected", shown)
        try:
            self._hooks.on_connected(proxy)
            yield visit
        finally:
            self._visits[key].discard(visit)
            if not self._visits[key]:
                del self._visits[key]
                log.info("%s disconnected", shown)
                self._hooks.on_disconnected(*key)


def _credentials(certificate: Callable[[], KeyPair]) -> grpc.ServerCredentials:
    shown = certificate()

    def configuration(pair: KeyPair) -> Any:
        return grpc.ssl_server_certificate_configuration([(pair.key_pem, pair.certificate_pem)])

    def fetch() -> Any:
        """The configuration if it is another than before, else None."""
        nonlocal shown
        latest = certificate()
        if latest is shown:
            return None
        shown = latest
        return configuration(latest)

    return grpc.dynamic_ssl_server_credentials(configuration(shown), fetch)


async def _first(messages: AsyncIterator[bytes]) -> Request:
    """The first message of a call. Raises ProtocolError, _TurnedAway."""
    try:
        async with asyncio.timeout(FIRST_REQUEST_SECONDS):
            return await decoded(await anext(messages))
    except TimeoutError as exc:
        raise _TurnedAway(grpc.StatusCode.DEADLINE_EXCEEDED, "no request came") from exc
    except StopAsyncIteration as exc:
        raise _TurnedAway(grpc.StatusCode.INVALID_ARGUMENT, "no request came") from exc


def _client(context: Any) -> str:
    """The address of the other side, as gRPC writes it, without the port; of IPv6 the network of 64 bits."""
    family, _, address = unquote(str(context.peer())).partition(":")
    host = address.rpartition(":")[0].strip("[]")
    try:
        return client_of(host)
    except ValueError:
        return f"{family}:{address}"


def _bearer_token(context: Any) -> str:
    """The token of the call's metadata; empty if there is none."""
    metadata = dict(context.invocation_metadata() or ())
    scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

"""The ADS server: delta discovery over gRPC and TLS for every Envoy.

One stream is one `xds.stream.DeltaStream`; this module only moves messages. A stream begins with its token being
checked against the node it claims to be; after that it waits for whichever comes first: a request, a new snapshot, or
the moment to try a refused resource again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Protocol

import grpc
import grpc.aio
from google.protobuf.json_format import MessageToDict

from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.errors import PermissionDenied, StartupError, TokenError
from meshmeter.xds.cache import SnapshotCache
from meshmeter.xds.protos import DELTA_REQUEST, DELTA_RESPONSE, message_class, pool
from meshmeter.xds.stream import Acknowledged, DeltaStream, Refused, Request, Response

log = logging.getLogger(__name__)

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"

RETRY_FIRST, RETRY_LAST = 1.0, 30.0
"""Seconds before a refused resource is sent again: doubled each time. What stood in its way, such as a port in use,
may go away, and Envoy does not try again by itself."""

OPTIONS = (
    # Thousands of proxies that reconnect at once would otherwise be turned away.
    ("grpc.max_concurrent_streams", 1_000_000),
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    # A second server on the port must fail, not share it.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.max_receive_message_length", 4 << 20),
)


class Hooks(Protocol):
    """What the control plane does about streams."""

    def authenticate(self, token: str, mesh: str, name: str) -> None:
        """Raises TokenError unless the token covers this proxy."""
        ...

    def on_connected(self, proxy: ProxyInfo) -> None:
        """A stream of this proxy has been let in."""
        ...

    def on_disconnected(self, mesh: str, name: str) -> None:
        """The proxy's last stream has ended."""
        ...

    def on_ack(self, mesh: str, name: str, type_url: str, version: str) -> None: ...

    def on_nack(self, mesh: str, name: str, type_url: str, message: str) -> None: ...


_Event = Any
"""A DeltaDiscoveryRequest, or one of the three words below."""

_ENDED, _UPDATED, _RETRY = object(), object(), object()
"""The client has closed its side; there is a new snapshot; it is time to send what was refused again."""


class DiscoveryService:
    """Serves snapshots of a cache. `start` binds, `stop` ends all streams."""

    def __init__(self, cache: SnapshotCache, hooks: Hooks):
        self._cache = cache
        self._hooks = hooks
        self._streams: dict[tuple[str, str], int] = {}
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int, certificate_pem: bytes, key_pem: bytes) -> int:
        """Listen with TLS; the port, which is a free one if 0 was asked for. Raises StartupError."""
        pool()
        server = grpc.aio.server(options=OPTIONS)
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=message_class(DELTA_REQUEST).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, {"DeltaAggregatedResources": handler})]
        )
        credentials = grpc.ssl_server_credentials([(key_pem, certificate_pem)])
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = server.add_secure_port(address, credentials)
        except RuntimeError as exc:
            raise StartupError(
                f"cannot listen on {address} for ADS: another process may hold the port; free it or choose "
                "another with --ads-port"
            ) from exc
        await server.start()
        self._server = server
        return int(bound)

    async def stop(self, grace: float = 0.5) -> None:
        """End all streams; proxies keep their configuration and come back when there is a server again."""
        if self._server is not None:
            await self._server.stop(grace)
            self._server = None

    async def _stream(self, requests: AsyncIterator[Any], context: Any) -> None:
        first = await anext(aiter(requests), None)
        if first is None:
            return
        proxy = await self._admit(first, context)
        key = (proxy.mesh, proxy.dataplane)
        self._streams[key] = self._streams.get(key, 0) + 1
        self._hooks.on_connected(proxy)
        log.info("%s/%s connected", *key)
        # Bounded: a client that floods us with requests is read no faster than it is answered.
        events: asyncio.Queue[_Event] = asyncio.Queue(64)
        updated = asyncio.Event()
        updated.set()
        stop_watching = self._cache.watch(*key, updated.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(_read(requests, events), name=f"ads {key}: read")
                try:
                    await self._converse(key, first, events, updated, context)
                finally:
                    reader.cancel()
        except* grpc.aio.BaseError as group:
            log.debug("%s/%s: stream ended: %s", *key, group)
        finally:
            stop_watching()
            self._streams[key] -= 1
            if not self._streams[key]:
                del self._streams[key]
                self._hooks.on_disconnected(*key)
                log.info("%s/%s disconnected", *key)

    async def _admit(self, first: Any, context: Any) -> ProxyInfo:
        """Who is there, once the token says the same. Otherwise the stream is ended with a status that tells why."""
        try:
            proxy = ProxyInfo.from_metadata(
                MessageToDict(first.node.metadata, descriptor_pool=pool()) if first.HasField("node") else {}
            )
        except ValueError as exc:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(exc))
        metadata = dict(context.invocation_metadata() or ())
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        try:
            self._hooks.authenticate(token if scheme.lower() == "bearer" else "", proxy.mesh, proxy.dataplane)
        except PermissionDenied as exc:
            log.warning("%s/%s refused: %s", proxy.mesh, proxy.dataplane, exc)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(exc))
        except TokenError as exc:
            log.warning("%s/%s refused: %s", proxy.mesh, proxy.dataplane, exc)
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(exc))
        return proxy

    async def _converse(
        self,
        key: tuple[str, str],
        first: Any,
        events: asyncio.Queue[_Event],
        updated: asyncio.Event,
        context: Any,
    ) -> None:
        state = DeltaStream()
        delay = RETRY_FIRST
        await self._take(key, state, first, context)
        while True:
            event = await _next(events, updated, delay if state.has_refused else None)
            if event is _ENDED:
                return
            if event is _RETRY:
                delay = min(delay * 2, RETRY_LAST)
                await _send(context, state.retry())
            elif event is _UPDATED:
                snapshot = self._cache.get(*key)
                if snapshot is not None:
                    delay = RETRY_FIRST
                    await _send(context, state.update(snapshot))
            else:
                await self._take(key, state, event, context)

    async def _take(self, key: tuple[str, str], state: DeltaStream, message: Any, context: Any) -> None:
        responses = state.receive(_request(message))
        match state.outcome:
            case Acknowledged(type_url, version):
                self._hooks.on_ack(*key, type_url, version)
            case Refused(type_url, text):
                log.warning("%s/%s refused %s: %s", *key, type_url.rpartition(".")[2], text)
                self._hooks.on_nack(*key, type_url, text)
        await _send(context, responses)


async def _read(requests: AsyncIterator[Any], events: asyncio.Queue[_Event]) -> None:
    async for message in requests:
        await events.put(message)
    await events.put(_ENDED)


async def _next(events: asyncio.Queue[_Event], updated: asyncio.Event, retry_in: float | None) -> _Event:
    """The next thing to do. A new snapshot goes before requests, so that they are answered from it."""
    if updated.is_set():
        updated.clear()
        return _UPDATED
    request = asyncio.get_running_loop().create_task(events.get(), name="ads: next request")
    update = asyncio.get_running_loop().create_task(updated.wait(), name="ads: next snapshot")
    try:
        await asyncio.wait({request, update}, timeout=retry_in, return_when=asyncio.FIRST_COMPLETED)
        if request.done():
            return request.result()
        if update.done():
            updated.clear()
            return _UPDATED
        return _RETRY
    finally:
        request.cancel()
        update.cancel()


async def _send(context: Any, responses: list[Response]) -> None:
    for response in responses:
        await context.write(_message(response))


def _request(message: Any) -> Request:
    return Request(
        type_url=message.type_url,
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial_versions=dict(message.initial_resource_versions),
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )


def _message(response: Response) -> Any:
    message: Any = message_class(DELTA_RESPONSE)()
    message.type_url = response.type_url
    message.nonce = response.nonce
    message.system_version_info = response.version
    message.removed_resources.extend(response.removed)
    for resource in response.resources:
        item = message.resources.add()
        item.name, item.version = resource.name, resource.version
        item.resource.ParseFromString(resource.body)
    return message

"""One stream: what it writes, when it tries again, and when it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from meshmeter.controlplane.ads.stream import AdsStream, SlowClient
from meshmeter.xds.cache import SnapshotCache
from meshmeter.xds.messages import ProtocolError, Request
from meshmeter.xds.protos import message
from meshmeter.xds.snapshot import build
from meshmeter.xds.types import LISTENER
from support.ads import RecordingHooks
from support.conversation import listener
from support.envoy_process import until


class Client:
    """The proxy's end, without a network."""

    def __init__(self, *, reads: bool = True, **options: Any):
        self.cache, self.hooks = SnapshotCache(), RecordingHooks()
        self.received: list[Any] = []
        self._reads = reads
        self._sent: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.stream = AdsStream(
            "default", "dp", cache=self.cache, hooks=self.hooks, write=self._write, **options
        )
        self.task = asyncio.get_running_loop().create_task(
            self.stream.run(Request(LISTENER), self._messages())
        )

    async def _write(self, data: bytes) -> None:
        if not self._reads:
            await asyncio.get_running_loop().create_future()
        self.received.append(message("envoy.service.discovery.v3.DeltaDiscoveryResponse").FromString(data))

    async def _messages(self) -> AsyncIterator[bytes]:
        while (data := await self._sent.get()) is not None:
            yield data

    def send(self, data: bytes) -> None:
        self._sent.put_nowait(data)

    def answer(self, error: str | None = None) -> None:
        """The last response is taken over, or refused."""
        request: Any = message("envoy.service.discovery.v3.DeltaDiscoveryRequest")(
            type_url=LISTENER, response_nonce=self.received[-1].nonce
        )
        if error is not None:
            request.error_detail.message = error
        self.send(request.SerializeToString())

    def end(self) -> None:
        self._sent.put_nowait(None)

    async def responses(self, count: int) -> list[list[str]]:
        """The names in each response, once there are so many."""
        await until(lambda: len(self.received) >= count, f"{count} responses")
        return [[r.name for r in response.resources] for response in self.received]


async def test_snapshots_are_pushed_as_they_come() -> None:
    client = Client()
    client.cache.set("default", "dp", build([listener("a")]))
    assert await client.responses(1) == [["a"]]
    assert not client.stream.in_step
    client.answer()
    await until(lambda: client.stream.in_step, "the proxy to be in step")
    assert client.hooks.acks
    client.cache.set("default", "dp", build([listener("a"), listener("b")]))
    assert await client.responses(2) == [["a"], ["b"]]
    client.end()
    await client.task
    assert client.hooks.acks == [("Listener", build([listener("a")]).versions[LISTENER])]


async def test_what_was_refused_is_offered_again_until_it_is_taken() -> None:
    client = Client(retry_first=0.01)
    client.cache.set("default", "dp", build([listener("a")]))
    for count in (1, 2, 3):
        assert await client.responses(count) == [["a"]] * count
        client.answer("cannot bind")
    await client.responses(4)
    client.answer()
    await until(lambda: client.hooks.acks, "the acknowledgement")
    assert client.hooks.nacks == [("Listener", "cannot bind")] * 3
    client.end()
    await client.task
    assert len(client.received) == 4


async def test_a_stream_that_ends_while_something_is_refused_leaves_nothing_behind() -> None:
    client = Client(retry_first=60)
    client.cache.set("default", "dp", build([listener("a")]))
    await client.responses(1)
    client.answer("no")
    await until(lambda: client.hooks.nacks, "the refusal")
    client.end()
    await client.task


async def test_stop_ends_it() -> None:
    client = Client()
    await asyncio.sleep(0)
    client.stream.stop()
    await client.task


async def test_garbage_ends_it_with_the_reason() -> None:
    client = Client()
    client.send(b"\xff\xff")
    with pytest.raises(ProtocolError):
        await client.task


async def test_a_client_that_does_not_read_is_given_up() -> None:
    client = Client(reads=False, write_seconds=0.01)
    client.cache.set("default", "dp", build(()))
    with pytest.raises(SlowClient):
        await client.task


async def test_a_connection_that_breaks_is_an_error_of_the_stream() -> None:
    async def broken() -> AsyncIterator[bytes]:
        raise ConnectionResetError
        yield b""

    async def write(_data: bytes) -> None:
        pass

    stream = AdsStream("m", "d", cache=SnapshotCache(), hooks=RecordingHooks(), write=write)
    with pytest.raises(ConnectionResetError):
        await stream.run(Request(LISTENER), broken())


@pytest.mark.attack("B7: the words of an Envoy that refuses, 3 MB of them, are cut and escaped")
async def test_the_words_of_a_refusal_are_cut_and_escaped(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(retry_first=60)
    client.cache.set("default", "dp", build([listener("a")]))
    await client.responses(1)
    client.answer("no\nERROR forged" + "x" * 3_000_000)
    await until(lambda: client.hooks.nacks, "the refusal")
    ((_, said),) = client.hooks.nacks
    assert (
        said.startswith("no; ERROR forgedxxx") and said.endswith("(3000015 characters)") and len(said) < 3000
    )
    assert len(caplog.text) < 4000
    client.end()
    await client.task


async def test_a_large_message_is_decoded_too() -> None:
    client = Client()
    request: Any = message("envoy.service.discovery.v3.DeltaDiscoveryRequest")(type_url=LISTENER)
    request.resource_names_subscribe.extend(f"listener-{n:060}" for n in range(2000))
    client.send(request.SerializeToString())
    client.cache.set("default", "dp", build([listener(f"listener-{7:060}")]))
    await client.responses(1)
    client.end()
    await client.task

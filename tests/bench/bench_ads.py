"""ADS: streams of many proxies, a change of one Dataplane to its stream, and a change of the Mesh to all of them.

A real store, reconciler and ADS server in a process of their own, with TLS and tokens; each proxy has a connection of
its own, subscribes as Envoy does and acknowledges what it gets. The baseline of a change for all is compiling and
writing the same for as many proxies, alone, in the same run; a curve shows what the number of proxies costs.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from time import perf_counter, process_time
from typing import Any

import grpc
import grpc.aio
from bench_mads import control_plane, quantile
from figures import Figure
from measured import Measured
from worlds import bench_dataplane, bench_mesh, in_envoy, proxy_info

from meshmeter.effective.view import MeshView
from meshmeter.file_descriptors import raise_limit
from meshmeter.pipeline import compile_proxy
from meshmeter.xds.messages import METHOD, SERVICE, Response, encode_response
from meshmeter.xds.protos import message
from meshmeter.xds.types import CLUSTER, LISTENER

SIZES, QUICK_SIZES = (10, 100, 1_000), (10, 100)
"""Connected proxies."""

ASKED = 50
"""Milliseconds after which all but one in a hundred changes of a Dataplane are on its stream, at 5 000 proxies."""

AT_ONCE = 50
"""Proxies that connect at the same time."""

REQUEST, RESPONSE = (
    message(f"envoy.service.discovery.v3.DeltaDiscovery{what}") for what in ("Request", "Response")
)


def figures(quick: bool) -> Iterator[Figure]:
    """For each size, and as a ratio to the smallest what should not depend on it."""
    yield from curve(
        QUICK_SIZES if quick else SIZES, 10 if quick else 200, 1 if quick else 5, 1 if quick else 10
    )


def curve(sizes: tuple[int, ...], changes: int, meshes: int, seconds: float) -> Iterator[Figure]:
    """So many changes of one Dataplane, and of the Mesh, and so many seconds at rest."""
    raise_limit()
    smallest: _Found | None = None
    for size in sizes:
        with control_plane(size, proxies=size) as measured:
            found = asyncio.run(_measure(measured, size, changes, meshes, seconds))
        smallest = smallest or found
        yield from found.figures(smallest, sizes[0])


@dataclass(frozen=True)
class _Found:
    size: int
    connected: float
    """Seconds until all proxies had their first configuration."""
    one: list[float]
    """Milliseconds from a change of a Dataplane to the new configuration at its proxy."""
    one_cpu: float
    every: float
    """Milliseconds from a change of the Mesh to the new configuration at the last proxy."""
    every_cpu: float
    alone: float
    """Milliseconds of CPU to compile and write that for as many proxies."""
    kilobytes: float
    """Of memory for each proxy that is connected."""
    rest: float
    """Milliseconds of CPU in a second in which nothing changes."""

    def figures(self, smallest: _Found, least: int) -> Iterator[Figure]:
        of, curve = f"{self.size} proxies", f"at {least}"
        asked = f" (asked: <= {ASKED} ms at 5 000)"
        late, least_late = quantile(self.one, 0.99), quantile(smallest.one, 0.99)
        middle, least_middle = statistics.median(self.one), statistics.median(smallest.one)
        yield Figure(
            f"one Dataplane changed, to its stream, median, {of}", middle, "ms", curve, middle / least_middle
        )
        yield Figure(
            f"one Dataplane changed, to its stream, p99{asked}, {of}", late, "ms", curve, late / least_late
        )
        yield Figure(f"server CPU of that, {of}", self.one_cpu, "ms", curve, self.one_cpu / smallest.one_cpu)
        alone = "compile and write alone"
        yield Figure(
            f"Mesh changed, to the last stream, {of}", self.every, "ms", alone, self.every / self.alone
        )
        yield Figure(f"server CPU of that, {of}", self.every_cpu, "ms", alone, self.every_cpu / self.alone)
        each = self.every_cpu / self.size
        yield Figure(
            f"the same for each proxy, {of}", each, "ms", curve, each / (smallest.every_cpu / smallest.size)
        )
        yield Figure(
            f"memory for each proxy, {of}", self.kilobytes, "kB", curve, self.kilobytes / smallest.kilobytes
        )
        yield Figure(f"CPU at rest, {of}", self.rest, "ms/s", curve, self.rest / smallest.rest)
        yield Figure(
            f"all connected and configured, {of}",
            self.connected,
            "s",
            curve,
            self.connected / smallest.connected,
        )


async def _measure(measured: Measured, size: int, changes: int, meshes: int, seconds: float) -> _Found:
    said = json.loads(measured.said)
    before, _ = measured.memory()
    began = perf_counter()
    async with AsyncExitStack() as stack:
        proxies = [_Proxy(index) for index in range(size)]
        turn = asyncio.Semaphore(AT_ONCE)

        async def connect(proxy: _Proxy) -> None:
            async with turn:
                await proxy.connect(said, stack)
                await proxy.waits_for(in_envoy(0)[1])

        await asyncio.gather(*map(connect, proxies))
        connected = perf_counter() - began
        memory = (measured.memory()[0] - before) * 1024 / size

        async def change(what: str, word: int, whom: list[_Proxy]) -> float:
            changed, revision = (await asyncio.to_thread(measured.tell, what)).split()
            wanted = in_envoy(int(revision))[word]
            return max(await asyncio.gather(*(p.waits_for(wanted) for p in whom))) - float(changed)

        used, one = measured.cpu(), []
        for number in range(changes):
            index = number * 7 % size
            one.append(await change(f"dataplane {index}", 0, [proxies[index]]) * 1000)
        one_cpu = (measured.cpu() - used) * 1000 / changes
        used = measured.cpu()
        every = [await change("mesh", 1, proxies) * 1000 for _ in range(meshes)]
        every_cpu = (measured.cpu() - used) * 1000 / meshes
        used = measured.cpu()
        await asyncio.sleep(seconds)
        rest = (measured.cpu() - used) * 1000 / seconds
    return _Found(
        size, connected, one, one_cpu, statistics.median(every), every_cpu, _alone(size), memory, rest
    )


def _alone(size: int) -> float:
    """Milliseconds of CPU to compile, for so many proxies, what follows from another Mesh, and to write it."""
    dataplanes = [bench_dataplane(index, 0) for index in range(size)]
    view = MeshView(bench_mesh(0), {dataplane.name: dataplane for dataplane in dataplanes})
    times = []
    for revision in range(1, 3):
        changed = replace(view, mesh=bench_mesh(revision))
        began = process_time()
        for index, dataplane in enumerate(dataplanes):
            snapshot = compile_proxy(changed, dataplane, proxy_info(index)).snapshot
            assert snapshot is not None
            listeners = tuple(r for r in snapshot.of(LISTENER).values() if r.name.startswith("kuma:"))
            encode_response(Response(LISTENER, "1", snapshot.versions[LISTENER], listeners))
        times.append((process_time() - began) * 1000)
    return statistics.median(times)


class _Proxy:
    """One Envoy, as far as ADS goes: clusters and listeners, all of them, each answer acknowledged."""

    def __init__(self, index: int):
        self._index = index
        self._proxy = proxy_info(index)
        self._latest = b""
        self._came = 0.0
        self._more = asyncio.Event()

    async def connect(self, said: dict[str, Any], stack: AsyncExitStack) -> None:
        credentials = grpc.ssl_channel_credentials(said["ca"].encode())
        # Else all of them would share one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.aio.secure_channel(f"127.0.0.1:{said['ads']}", credentials, options=options)
        stack.push_async_callback(channel.close)
        metadata = (("authorization", f"Bearer {said['tokens'][self._index]}"),)
        self._call = channel.stream_stream(f"/{SERVICE}/{METHOD}")(metadata=metadata)
        first: Any = REQUEST(type_url=CLUSTER)
        first.node.id = self._proxy.node_id
        first.node.metadata.update(self._proxy.to_metadata())
        await self._call.write(first.SerializeToString())
        await self._call.write(REQUEST(type_url=LISTENER).SerializeToString())
        self._reading = asyncio.create_task(self._read(), name=f"read {self._proxy.node_id}")
        self._reading.add_done_callback(lambda _: self._more.set())
        stack.callback(self._reading.cancel)

    async def _read(self) -> None:
        async for data in self._call:
            self._came, self._latest = perf_counter(), data
            self._more.set()
            answer: Any = RESPONSE.FromString(data)
            acknowledged = REQUEST(type_url=answer.type_url, response_nonce=answer.nonce)
            await self._call.write(acknowledged.SerializeToString())

    async def waits_for(self, word: bytes) -> float:
        """When a response with this in it had come."""
        async with asyncio.timeout(120):
            while word not in self._latest:
                assert not self._reading.done(), await self._call.details()
                self._more.clear()
                await self._more.wait()
        return self._came

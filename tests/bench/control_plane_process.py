"""The parts of a control plane between its store and its servers, as a process of its own to be measured:
`control_plane_process.py SETTINGS.json`.

SETTINGS holds `folder`, `dataplanes`, how many of them the store has, and `proxies`, how many of those will connect.
The first line that it says has the ports of `discovery` and `ads`, the `ca` of ADS and the `tokens` of those proxies.
Then it reads lines: `dataplane 7` changes Dataplane 7, `mesh` changes what every proxy of the mesh serves; the answer
is the time of `perf_counter`, which all processes share, when the change was stored, and its revision (`worlds`).
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from worlds import bench_dataplane, bench_mesh, name

import meshmeter.controlplane.app  # noqa: F401 - the whole control plane is loaded, as it is in life
from meshmeter.certs.authority import issue_server, make_authority
from meshmeter.controlplane.ads.hooks import AdsHooks
from meshmeter.controlplane.ads.server import AdsServer
from meshmeter.controlplane.discovery.sd_api import discovery_app, discovery_runner
from meshmeter.controlplane.http.auth import discovery_access
from meshmeter.controlplane.self_metrics import SelfMetrics
from meshmeter.file_descriptors import raise_limit
from meshmeter.store.base import Put
from support.control_plane_parts import Parts, running_parts


async def main(settings: dict[str, Any]) -> None:
    """Serve until standard input closes."""
    raise_limit()
    count = settings["dataplanes"]
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(running_parts(Path(settings["folder"])))
        puts = [Put(bench_mesh(0)), *(Put(bench_dataplane(index, 0)) for index in range(count))]
        await parts.store.commit(puts)
        await parts.reconciler.assignments.until(lambda known: len(known.assignments) == count)
        said = {
            "discovery": await _discovery(parts, stack),
            **await _ads(parts, stack, count),
            "tokens": [parts.token(name=name(index)) for index in range(settings["proxies"])],
        }
        print(json.dumps(said), flush=True)
        revision = 0
        while words := (await asyncio.to_thread(sys.stdin.readline)).split():
            revision += 1
            changed = bench_mesh(revision) if words[0] == "mesh" else bench_dataplane(int(words[1]), revision)
            await parts.store.commit([Put(changed)])
            print(perf_counter(), revision, flush=True)


async def _discovery(parts: Parts, stack: AsyncExitStack) -> int:
    app = discovery_app(parts.reconciler.assignments, authorize=discovery_access(parts.verifier))
    runner = discovery_runner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return int(runner.addresses[0][1])


async def _ads(parts: Parts, stack: AsyncExitStack, count: int) -> dict[str, Any]:
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = make_authority(
        "bench", ec.generate_private_key(ec.SECP256R1()), serial=1, now=now, valid_for=day
    )
    key = ec.generate_private_key(ec.SECP256R1())
    server = issue_server(authority, ["127.0.0.1"], key, serial=2, now=now, valid_for=day)
    service = AdsServer(
        parts.cache,
        AdsHooks(parts.verifier, parts.registry, parts.reconciler, SelfMetrics()),
        max_connections=count + 100,
        max_calls_per_client=count + 100,
    )
    port = await service.start("127.0.0.1", 0, lambda: server)
    stack.push_async_callback(service.stop)
    checking = asyncio.create_task(service.run())
    stack.callback(checking.cancel)
    return {"ads": port, "ca": authority.certificate_pem.decode()}


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))

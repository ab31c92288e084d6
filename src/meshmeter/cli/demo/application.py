"""The application of the demo: a small HTTP service with metrics of its own.

Run as `python -m meshmeter.cli.demo.application NAME --port P [--call URL]`. `GET /` does a little work, calls the
next service if there is one, and answers JSON; `GET /metrics` is an ordinary Prometheus endpoint. It ends when its
standard input closes, so it never outlives the demo.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def application(name: str, call: str | None) -> web.Application:
    """The service `name`; `call` is the URL of the service behind it."""
    registry = CollectorRegistry()
    requests = Counter(
        "demo_requests", "Requests answered by this application.", ["service", "code"], registry=registry
    )
    seconds = Histogram(
        "demo_request_duration_seconds", "Time to answer a request.", ["service"], registry=registry
    )

    async def work(request: web.Request) -> web.Response:
        started = time.perf_counter()
        await asyncio.sleep(random.uniform(0.001, 0.01))
        status, answer = 200, {"service": name}
        if call is not None:
            try:
                async with request.app[SESSION].get(call) as behind:
                    behind.raise_for_status()
                    answer["behind"] = (await behind.json())["service"]
            except (ClientError, TimeoutError) as exc:
                status, answer = 502, {"service": name, "error": f"{call}: {exc or type(exc).__name__}"}
        requests.labels(name, str(status)).inc()
        seconds.labels(name).observe(time.perf_counter() - started)
        return web.json_response(answer, status=status)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": METRICS_TYPE})

    app = web.Application()
    app.router.add_get("/", work)
    app.router.add_get("/metrics", metrics)
    app.cleanup_ctx.append(_session)
    return app


SESSION: web.AppKey[ClientSession] = web.AppKey("session", ClientSession)


async def _session(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession(timeout=ClientTimeout(total=5)) as session:
        app[SESSION] = session
        yield


async def serve(name: str, port: int, call: str | None) -> None:
    """Serve on 127.0.0.1 until standard input closes."""
    runner = web.AppRunner(application(name, call), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        await asyncio.to_thread(sys.stdin.buffer.read)
    finally:
        await runner.cleanup()


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(description="one application of the meshmeter demo")
    parser.add_argument("name")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--call", help="URL of the service to call for each request")
    options = parser.parse_args()
    asyncio.run(serve(options.name, options.port, options.call))


if __name__ == "__main__":
    main()

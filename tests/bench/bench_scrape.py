"""One scrape end to end: Envoy's metrics listener, the agent, Envoy's admin and two applications, all real.

The baseline is Envoy's own admin answer, read directly in the same run, in turn with the scrapes.
"""

from __future__ import annotations

import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench_merge import application_body, kernels
from figures import Figure
from measured import Measured

from meshmeter.effective.metrics import effective_metrics
from meshmeter.envoy import clusters
from meshmeter.envoy.metrics_listener import metrics_listener
from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.scrape.config import ScrapeConfig, SourceConfig, SourceOptions
from support.many_clusters import running_envoy
from support.processes import free_port
from support.resources import dataplane, metered

SERIES = 1_000
"""Of each of the two applications."""

ADMIN_PATH = "/stats/prometheus?text_readouts="

TARGETS = {40: (1.35, 5.0, 3), 400: (1.12, 4.0, 16), 2000: (1.12, 4.0, None)}
"""By clusters: at most so many times Envoy's own answer with the compiled kernel, with the Python one, and so many
milliseconds of the agent's CPU with the compiled one (docs/performance.md)."""

IDLE_SECONDS = 2
"""For how long an idle agent is watched."""


@contextmanager
def application(body: bytes) -> Iterator[int]:
    """An application that serves a fixed body; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # as real servers do; else delayed acknowledgements are measured
        wbufsize = -1

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Agent(Measured):
    """The measured process."""

    def __init__(
        self,
        folder: Path,
        admin_socket: Path,
        agent_socket: Path,
        sources: list[SourceConfig],
        kernel: str,
    ):
        config = ScrapeConfig("1", "default", "bench", True, tuple(sources))
        super().__init__(
            "agent_process",
            folder,
            {
                "agent_socket": str(agent_socket),
                "admin_socket": str(admin_socket),
                "kernel": kernel,
                "config": config.to_json(),
            },
        )


def scrape(port: int) -> tuple[float, float, int]:
    """Seconds to the first byte and to the last of Envoy's metrics listener, and the size."""
    return timed(socket.AF_INET, ("127.0.0.1", port), "/metrics")


def timed(family: int, address: str | tuple[str, int], path: str) -> tuple[float, float, int]:
    """Seconds to the first byte of an answer and to its last, and the bytes on the wire. The bytes are only counted, so
    that a client's own work is in no figure: an answer in many chunks costs it more than one in a single chunk."""
    buffer = memoryview(bytearray(1 << 20))
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(60)
        started = time.perf_counter()
        connection.connect(address)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        size = connection.recv_into(buffer)
        first = last = time.perf_counter() - started
        assert bytes(buffer[:12]) == b"HTTP/1.1 200", bytes(buffer[:200])
        while received := connection.recv_into(buffer):
            last = time.perf_counter() - started
            size += received
    return first, last, size


def figures(quick: bool) -> Iterator[Figure]:
    """Latency against Envoy's admin, memory and CPU of the agent."""
    for count in (40, 400) if quick else (40, 400, 2000):
        for kernel in kernels():
            yield from _measure(count, 10 if quick else 60, kernel.name)


@dataclass(frozen=True)
class World:
    """What is measured, running."""

    agent: Agent
    admin_socket: Path
    port: int
    """Of Envoy's metrics listener."""


@contextmanager
def running_world(count: int, kernel: str, bodies: list[bytes], limit: int | None = None) -> Iterator[World]:
    """An Envoy with so many clusters, an agent, and applications with these bodies, `limit` bytes allowed for each."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meshmeter-bench-")))
        sources = [
            SourceConfig(
                f"app-{n}",
                "127.0.0.1",
                stack.enter_context(application(body)),
                "/metrics",
                SourceOptions(body_bytes=limit, samples=0 if limit else None),
            )
            for n, body in enumerate(bodies)
        ]
        agent_socket, port = folder / "agent.sock", free_port()
        proxy = ProxyInfo("default", "bench", str(agent_socket), str(folder / "admin.sock"))
        effective = effective_metrics(metered(port=port), dataplane(address="127.0.0.1"))
        assert effective is not None
        listener = metrics_listener(effective, "127.0.0.1", proxy)
        assert listener is not None
        agent_cluster = clusters.metrics_cluster(str(agent_socket))
        for document in (listener, agent_cluster):
            document.pop("@type")
        admin_socket = stack.enter_context(
            running_envoy(folder, count, listener=listener, more=[agent_cluster])
        )
        agent = Agent(folder, admin_socket, agent_socket, sources, kernel)
        stack.callback(agent.stop)
        yield World(agent, admin_socket, port)


def two_applications() -> list[bytes]:
    """Bodies of families of their own."""
    body = application_body(SERIES)
    return [body.replace(b"app_", f"app{n}_".encode()) for n in range(2)]


def _measure(count: int, runs: int, kernel: str) -> Iterator[Figure]:
    with running_world(count, kernel, two_applications()) as world:
        agent, admin_socket, port = world.agent, world.admin_socket, world.port
        idle, _ = agent.memory()
        direct, first, whole = [], [], []
        size = 0
        scrape(port)
        used = agent.cpu()
        for _ in range(runs):
            direct.append(timed(socket.AF_UNIX, str(admin_socket), ADMIN_PATH)[1])
            to_first, to_last, size = scrape(port)
            first.append(to_first)
            whole.append(to_last)
        cpu = (agent.cpu() - used) / runs
        resident, peak = agent.memory()
        used = agent.cpu()
        time.sleep(IDLE_SECONDS)
        at_rest = (agent.cpu() - used) / IDLE_SECONDS
    name = f"{count} clusters ({size / 1e6:.2f} MB), {kernel}"
    admin = "Envoy's admin answer"
    native, python, milliseconds = TARGETS[count]
    ratio = native if kernel == "native" else python
    for what, seconds in (
        (f"scrape (asked: <= {ratio:g} x)", whole),
        ("first byte of a scrape", first),
        (admin, direct),
    ):
        value = statistics.median(seconds)
        yield Figure(
            f"{what}, {name}",
            round(value * 1000, 1),
            "ms",
            admin,
            round(value / statistics.median(direct), 3),
        )
    asked = f" (asked: <= {milliseconds} ms)" if milliseconds and kernel == "native" else ""
    yield Figure(f"agent CPU per scrape{asked}, {name}", round(cpu * 1000, 1), "ms")
    yield Figure(f"agent CPU at rest (asked: <= 0.35 ms/s), {name}", round(at_rest * 1000, 3), "ms/s")
    yield Figure(f"agent RSS idle (asked: <= 42 MB), {name}", round(idle, 1), "MB")
    yield Figure(
        f"agent RSS after {runs} scrapes, {name}", round(resident, 1), "MB", "idle", round(resident / idle, 2)
    )
    yield Figure(f"agent RSS peak, {name}", round(peak, 1), "MB", "idle", round(peak / idle, 2))

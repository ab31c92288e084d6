"""scripts/compare_agent.py against real servers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "compare_agent.py"


class Handler(BaseHTTPRequestHandler):
    """A body of 1 234 bytes on /metrics, of two on /small, 404 elsewhere."""

    def do_GET(self) -> None:
        body = {"/metrics?a=1": b"x" * 1234, "/small": b"x\n"}.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, timeout=60)


def test_each_endpoint_has_a_line(server: str) -> None:
    done = run("--runs=3", f"--pid={os.getpid()}", f"{server}/metrics?a=1", f"{server}/small")
    assert done.returncode == 0, done.stderr
    head, large, small = (line.split() for line in done.stdout.splitlines())
    assert head[-1] == "endpoint"
    assert large[2:4] == ["1.00", "1234"]
    assert float(large[5]) > 1  # MB of this very process
    assert small[3:7] == ["2", "-", "-", "-"]
    assert float(small[0]) <= float(small[1])


def test_an_endpoint_that_does_not_answer_is_named(server: str) -> None:
    done = run("--runs=1", f"{server}/nothing")
    assert done.returncode == 1
    assert f"{server}/nothing: status 404" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["https://127.0.0.1/metrics"], "is no http:// URL"),
        (["--runs=0", "http://127.0.0.1:1/"], "--runs 0: give 1 or more"),
        (["--pid=1", "--pid=2", "http://127.0.0.1:1/"], "--pid is given 2 times for 1 URLs"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], told: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr

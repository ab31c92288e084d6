"""The limit of open files, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys

import pytest

from meshmeter.file_descriptors import tell_seldom

PROGRAM = """
import resource
from meshmeter.file_descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
print(raise_limit(), raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_becomes_the_hard_one() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "128 128 (128, 128)\n"


async def test_a_server_without_descriptors_logs_a_line_and_recovers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    tell_seldom(loop)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    client = socket.socket()
    free = os.dup(0)
    os.close(free)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limit[1]))
        client.connect(server.sockets[0].getsockname())
        async with asyncio.timeout(60):
            while not caplog.messages:
                await asyncio.sleep(0)
        assert [text.partition(":")[0] for text in caplog.messages] == ["cannot accept connections"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    client.setblocking(False)
    async with asyncio.timeout(60):
        assert await loop.sock_recv(client, 1) == b""
    client.close()
    server.close()
    loop.set_exception_handler(None)


async def test_other_faults_are_told_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    tell_seldom(loop)
    for _ in range(2):
        loop.call_exception_handler({"message": "something else"})
    assert caplog.messages == ["something else"] * 2
    loop.set_exception_handler(None)

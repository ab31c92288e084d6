"""The client against the dataplane API over real TLS."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshmeter.agent.control_plane import MAX_REPORT_BYTES, ControlPlane, Registration, Untrusted
from meshmeter.errors import ApiError, PermissionDenied, SettingsError, Unauthenticated, Violation
from meshmeter.scrape.config import ScrapeConfig
from support.fake_control_plane import TOKEN, FakeControlPlane, authority
from support.processes import free_port

WEB = {"type": "Dataplane", "mesh": "shop", "name": "web"}
PROXY = {"instance": "i"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeControlPlane]:
    async with FakeControlPlane(tmp_path / "cp") as running:
        yield running


@pytest.fixture
async def client(server: FakeControlPlane) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(server.url, server.ca_file, server.token_file) as made:
        yield made


async def test_register_poll_report_and_leave(server: FakeControlPlane, client: ControlPlane) -> None:
    registration = await client.register(WEB, PROXY)
    assert registration == Registration(
        "shop", "web", {"node": "i"}, ScrapeConfig("v1", "shop", "web", enabled=True)
    )
    assert server.proxies["shop", "web"] == {"dataplane": WEB, "proxy": PROXY}

    assert await client.agent_config("shop", "web", "v0", wait=0) == registration.config
    assert await client.agent_config("shop", "web", "v1", wait=0.01) is None
    await client.scrape_report("shop", "web", {"sources": []})
    assert server.reports == [{"sources": []}]
    await client.deregister("shop", "web", "i")
    assert server.proxies == {}


async def test_a_waiting_poll_gets_the_change(server: FakeControlPlane, client: ControlPlane) -> None:
    await client.register(WEB, PROXY)
    polling = asyncio.create_task(client.agent_config("shop", "web", "v1", wait=20))
    await server.waiting.wait()
    server.publish(replace(server.config, version="v2"))
    assert await polling == ScrapeConfig("v2", "shop", "web", enabled=True)


async def test_refusals_become_our_errors_with_the_words_of_the_control_plane(
    server: FakeControlPlane, client: ControlPlane
) -> None:
    server.refuse(401, {"title": "Authentication required", "detail": "the token has expired"})
    with pytest.raises(Unauthenticated, match=r"^Authentication required: the token has expired$"):
        await client.register(WEB, PROXY)
    server.refuse(403, {"title": "Access denied", "detail": "the token is for proxy other"})
    with pytest.raises(PermissionDenied, match="proxy other"):
        await client.register(WEB, PROXY)
    server.refuse(400, {"title": "Bad", "invalid_parameters": [{"field": "a[0]", "reason": "no"}, "x"]})
    with pytest.raises(ApiError) as refused:
        await client.register(WEB, PROXY)
    assert (refused.value.status, refused.value.violations) == (400, (Violation("a[0]", "no"),))
    server.refuse(500, "<html>oops</html>")
    with pytest.raises(ApiError, match=f"{server.url} answered 500"):
        await client.register(WEB, PROXY)
    with pytest.raises(ApiError) as unknown:
        await client.agent_config("shop", "nobody", "", wait=0)
    assert unknown.value.status == 404


@pytest.mark.parametrize("body", ["hello", "[]", "{}", {"mesh": "m", "name": "n", "bootstrap": []}])
async def test_an_answer_that_makes_no_sense_is_told(
    server: FakeControlPlane, client: ControlPlane, body: object
) -> None:
    server.refuse(200, body)
    with pytest.raises(ApiError, match=r"is not a dataplane API of meshmeter|answered 200"):
        await client.register(WEB, PROXY)


async def test_redirects_are_not_followed_with_the_token(
    server: FakeControlPlane, client: ControlPlane
) -> None:
    server.refuse(307, "")
    with pytest.raises(ApiError, match="answered 307"):
        await client.register(WEB, PROXY)
    assert len(server.requests) == 1


async def _answer_in_the_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


async def test_a_control_plane_that_is_not_there(server: FakeControlPlane) -> None:
    nobody = f"https://127.0.0.1:{free_port()}"
    async with ControlPlane(nobody, server.ca_file, server.token_file) as client:
        with pytest.raises(
            ApiError, match=f"^the control plane {nobody} cannot be reached: connection refused$"
        ) as caught:
            await client.register(WEB, PROXY)
    assert caught.value.status == 0
    plain = await asyncio.start_server(_answer_in_the_clear, "127.0.0.1", 0)
    port = plain.sockets[0].getsockname()[1]
    async with plain, ControlPlane(f"https://127.0.0.1:{port}", server.ca_file, server.token_file) as client:
        with pytest.raises(ApiError, match="it does not speak TLS"):
            await client.register(WEB, PROXY)
    async with ControlPlane("https://no.such.host.invalid:1", server.ca_file, server.token_file) as client:
        with pytest.raises(ApiError, match=r"there is no host 'no\.such\.host\.invalid'"):
            await client.register(WEB, PROXY)


async def test_a_control_plane_of_another_authority_never_sees_the_token(
    server: FakeControlPlane, tmp_path: Path
) -> None:
    other = tmp_path / "other.crt"
    other.write_bytes(authority("another authority").certificate_pem)
    async with ControlPlane(server.url, other, server.token_file) as client:
        with pytest.raises(Untrusted, match=r"is not trusted: .*other\.crt"):
            await client.register(WEB, PROXY)
    assert server.requests == []


async def test_an_authority_that_is_replaced_is_trusted_for_the_next_request(
    server: FakeControlPlane, tmp_path: Path
) -> None:
    file = tmp_path / "trusted.crt"
    file.write_bytes(authority("another authority").certificate_pem)
    async with ControlPlane(server.url, file, server.token_file) as client:
        file.write_text("half of a file")
        for _ in range(2):
            with pytest.raises(Untrusted):
                await client.register(WEB, PROXY)
        file.write_bytes(server.ca_file.read_bytes())
        with pytest.raises(Untrusted):
            await client.register(WEB, PROXY)
        assert (await client.register(WEB, PROXY)).name == "web"


async def test_an_authority_file_without_a_certificate_is_a_wrong_setting(
    server: FakeControlPlane, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    for file in (tmp_path / "empty", tmp_path / "gone"):
        with pytest.raises(SettingsError, match=r"--ca-cert-file: .* has no usable PEM certificate"):
            async with ControlPlane(server.url, file, server.token_file):
                pytest.fail("it must not open")


async def test_the_token_file_is_read_every_time(server: FakeControlPlane, client: ControlPlane) -> None:
    before = client.token_digest()
    server.tokens = {"eyJ.renewed.sig"}
    with pytest.raises(Unauthenticated):
        await client.register(WEB, PROXY)
    server.token_file.write_text("eyJ.renewed.sig\n")
    await client.register(WEB, PROXY)
    assert client.token_digest() not in ("", before)
    assert client.redact(f"{TOKEN} and eyJ.renewed.sig") == "<token> and <token>"


async def test_a_token_file_without_a_token_is_told_without_its_content(
    server: FakeControlPlane, client: ControlPlane
) -> None:
    def fault() -> str:
        with pytest.raises(Unauthenticated) as caught:
            client.token()
        assert client.token_digest() == ""
        return str(caught.value)

    server.token_file.write_text(" \n")
    assert fault().endswith("is empty")
    server.token_file.write_text("my password\r\nX-Header: 1")
    assert fault().endswith("does not hold a token")
    server.token_file.write_bytes(b"\xff\xfe")
    assert fault().endswith("cannot be read: not text")
    server.token_file.unlink()
    assert fault().endswith("cannot be read: No such file or directory")
    os.mkfifo(server.token_file)  # nobody is waited for
    assert fault().endswith("cannot be read: it is a pipe, not a regular file")
    server.token_file.unlink()
    server.token_file.symlink_to("/dev/zero")
    assert fault().endswith("cannot be read: it is a device, not a regular file")


async def test_a_report_over_the_limit_is_not_sent(server: FakeControlPlane, client: ControlPlane) -> None:
    with pytest.raises(ValueError, match="more than"):
        await client.scrape_report("shop", "web", {"x": "y" * MAX_REPORT_BYTES})
    assert server.requests == []

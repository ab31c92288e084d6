from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from meshmeter.cli.client import ApiClient, naming, path_to
from meshmeter.cli.connection import Connection
from meshmeter.errors import ApiError, SettingsError
from support.api_server import ServedApi, serve_in_thread
from support.certificates import server_certificate


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ServedApi]:
    with serve_in_thread(tmp_path) as served:
        yield served


def client(api: ServedApi, token: str | None = None) -> ApiClient:
    return ApiClient(Connection(api.url, token or api.admin_token))


def test_answers_are_decoded(api: ServedApi) -> None:
    asked = client(api)
    assert asked.get("/")["product"] == "meshmeter"
    assert asked.post("/tokens/dataplane", {"mesh": "default"}).count(".") == 2
    assert asked.post("/_apply", {"documents": [{"type": "Mesh", "name": "x"}]}, {"dry-run": "false"})
    assert asked.delete("/meshes/x") == {}


def test_items_are_those_of_all_pages(api: ServedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshmeter.cli.client.PAGE", 2)
    asked = client(api)
    names = [f"mesh-{number}" for number in range(5)]
    asked.post("/_apply", {"documents": [{"type": "Mesh", "name": name} for name in names]})
    assert [item["name"] for item in asked.items("/meshes", {"name": "mesh-"})] == names


def test_refusals_keep_every_fault(api: ServedApi) -> None:
    with pytest.raises(ApiError) as caught:
        client(api).post("/tokens/dataplane", {"mesh": "", "x": 1})
    assert caught.value.status == 400
    assert {v.field for v in caught.value.violations} == {"mesh", "x"}


def test_a_wrong_token_is_told_without_the_token(api: ServedApi) -> None:
    with pytest.raises(ApiError) as caught:
        client(api, "wrong-token").get("/")
    assert caught.value.status == 401 and "wrong-token" not in str(caught.value)


def test_a_control_plane_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ApiError, match=r"cannot be reached: .*[Rr]efused.*--api-address") as caught:
        ApiClient(Connection(f"http://127.0.0.1:{port}", "t")).get("/")
    assert caught.value.status == 0


@pytest.mark.parametrize(
    "status, body", [(200, "<html>"), (502, "<html>bad gateway"), (302, ""), (500, "[]")]
)
def test_something_else_that_answers(status: int, body: str) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(ApiError) as caught:
            ApiClient(Connection(f"http://127.0.0.1:{server.server_port}", "t")).get("/")
        assert caught.value.status == status
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_segments_of_a_path_are_escaped() -> None:
    assert path_to("meshes", "a/b?c", "ü") == "/meshes/a%2Fb%3Fc/%C3%BC"


def test_what_is_not_found_is_named() -> None:
    with (
        pytest.raises(ApiError, match=r'^Dataplane "x" not found in mesh "m"$'),
        naming('Dataplane "x"', "m"),
    ):
        raise ApiError(404, "Could not retrieve a resource", "Not found")
    with pytest.raises(ApiError, match=r'^mesh "m" not found$'), naming('Dataplane "x"', "m"):
        raise ApiError(404, "Failed to retrieve Mesh", "Not found")
    with pytest.raises(ApiError, match="Conflict"), naming("x"):
        raise ApiError(409, "Conflict")


def test_tls_is_verified_by_the_authority_that_is_named(tmp_path: Path) -> None:
    authority, server = server_certificate(tmp_path, "127.0.0.1")
    (tmp_path / "other").mkdir()
    other, _ = server_certificate(tmp_path / "other", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_arguments: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            url = f"https://127.0.0.1:{listening.server_address[1]}"
            assert ApiClient(Connection(url, "t", authority)).get("/") == []
            for file in (other, None):
                with pytest.raises(ApiError, match="cannot be reached"):
                    ApiClient(Connection(url, "t", file)).get("/")
        finally:
            listening.shutdown()
            thread.join()


def test_a_file_that_is_no_authority_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("nothing")
    for name in ("ca.crt", "nowhere.crt"):
        connection = Connection("https://127.0.0.1:1", "t", tmp_path / name)
        with pytest.raises(SettingsError, match=f"--ca-cert-file: .*{name} has no usable PEM"):
            ApiClient(connection).get("/")

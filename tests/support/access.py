"""Requests with whatever token a test wants to try: over HTTP and over ADS."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from meshmeter.envoy.proxy import ProxyInfo
from meshmeter.xds.messages import METHOD, SERVICE
from meshmeter.xds.protos import message
from meshmeter.xds.types import CLUSTER
from support.processes import ControlPlane


def ask(
    url: str,
    token: str | None = None,
    *,
    method: str = "GET",
    body: Any = None,
    ca: Path | None = None,
    headers: Mapping[str, str] | None = None,
    source: str = "",
    timeout: float = 10,
) -> tuple[int, str]:
    """Status and text of one answer; the server of an https address is verified. OSError if there is none.

    `source` is the address to ask from."""
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    how: dict[str, Any] = {"timeout": timeout, "source_address": (source, 0) if source else None}
    connection = http.client.HTTPConnection(parts.hostname, parts.port, **how)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context, **how)
    sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
    content = None
    if body is not None:
        content, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
    try:
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request(method, target, body=content, headers={**sent, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read().decode()
    except http.client.HTTPException as exc:
        raise OSError(f"{url}: {exc!r}") from exc
    finally:
        connection.close()


def refusal(answer: tuple[int, str]) -> tuple[int, str]:
    """Status and reason of an error answer."""
    status, text = answer
    assert status >= 400, answer
    return status, str(json.loads(text)["detail"])


def register(control_plane: ControlPlane, document: Mapping[str, Any], token: str) -> tuple[int, str]:
    """What an agent does first."""
    proxy = {"instance": "i", "agentSocket": "/a.sock", "adminSocket": "/b.sock"}
    return ask(
        control_plane.url("dataplane_api") + "/v1/proxies",
        token,
        method="POST",
        body={"dataplane": document, "proxy": proxy},
        ca=control_plane.data_dir / "ca.crt",
    )


def agent_config(control_plane: ControlPlane, mesh: str, name: str, token: str) -> tuple[int, str]:
    """What an agent asks for next."""
    url = f"{control_plane.url('dataplane_api')}/v1/proxies/{mesh}/{name}/agent-config"
    return ask(url, token, ca=control_plane.data_dir / "ca.crt")


def stream(
    control_plane: ControlPlane,
    mesh: str,
    name: str,
    token: str | None,
    padding: str = "",
    seconds: float = 60,
) -> tuple[grpc.StatusCode, str]:
    """Open an ADS stream as the Envoy of a proxy: `OK` once the first answer has come, else why not.

    `padding` is further node metadata, `seconds` how long is waited for an answer.
    """
    proxy = ProxyInfo(mesh, name, "/a.sock", "/b.sock")
    request: Any = message("envoy.service.discovery.v3.DeltaDiscoveryRequest")(type_url=CLUSTER)
    request.node.id = proxy.node_id
    request.node.metadata.update(proxy.to_metadata())
    request.node.metadata.update({"padding": padding})
    over = threading.Event()

    def requests() -> Iterator[bytes]:
        yield request.SerializeToString()
        over.wait(60)

    credentials = grpc.ssl_channel_credentials((control_plane.data_dir / "ca.crt").read_bytes())
    metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
    with grpc.secure_channel(control_plane.url("ads"), credentials) as channel:
        call = channel.stream_stream(f"/{SERVICE}/{METHOD}")(requests(), metadata=metadata, timeout=seconds)
        try:
            next(call)
            return grpc.StatusCode.OK, ""
        except grpc.RpcError as exc:
            return exc.code(), exc.details()
        finally:
            over.set()
            call.cancel()

"""Requests through a forward proxy."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit


def through(proxy_port: int, target: str, *, method: str = "GET", authority: str = "") -> tuple[int, str]:
    """A request as a client of an HTTP proxy sends it; status and body. OSError if there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy_port, timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True)
        connection.putheader("Host", authority or urlsplit(target).netloc or f"127.0.0.1:{proxy_port}")
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read().decode()
    except http.client.HTTPException as exc:
        raise OSError(f"{target}: {exc!r}") from exc
    finally:
        connection.close()

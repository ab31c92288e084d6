"""Which requests come from a client on this host, itself, so that it needs no token.

A connection from loopback is not enough: a proxy here may pass on what came from anywhere, and a web page may have a
name of its own resolved to 127.0.0.1 and make the reader's browser ask us (DNS rebinding). So there must be no sign of
a proxy, and the Host header has to be a name that only we have.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import hdrs, web

from meshmeter.addresses import is_loopback
from meshmeter.errors import PermissionDenied
from meshmeter.quoting import quoted

FORWARDED_HEADERS = (
    "Forwarded",
    "Via",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Original-Forwarded-For",
    "X-Envoy-External-Address",
    "True-Client-IP",
    "CF-Connecting-IP",
)
"""What proxies add to requests that they pass on."""

FORWARDED_PREFIX = "x-forwarded-"
"""So do headers that begin like this."""


class LocalClients:
    """The rule, for a server that is known by these names too."""

    def __init__(self, names: Iterable[str] = ()):
        self._names = frozenset(_plain(name) for name in names)

    def why_not(self, request: web.Request) -> str | None:
        """Why the client is not taken for a local one; None if it is. A unix socket has no address and is local."""
        if request.remote is not None and not is_loopback(request.remote):
            return "it is not on the control plane's host"
        if (header := _sign_of_a_proxy(request)) is not None:
            return f"a proxy passed it on, as its header {header} says"
        return self._foreign_host(request)

    def check_host(self, request: web.Request) -> None:
        """For what anybody may read, but no web page through the browser of somebody on this host.

        Raises PermissionDenied.
        """
        if request.remote is None or is_loopback(request.remote):
            foreign = self._foreign_host(request)
            if foreign is not None:
                raise PermissionDenied(f"the request is refused: {foreign}")

    def _foreign_host(self, request: web.Request) -> str | None:
        for host in request.headers.getall(hdrs.HOST, ()):
            name = _plain(_without_port(host))
            if not is_loopback(name) and name not in self._names:
                return (
                    f"its Host header, {quoted(host)!r}, is neither localhost, nor a loopback address, nor a name of "
                    "this server; if it is one, tell so with --names"
                )
        return None


def _sign_of_a_proxy(request: web.Request) -> str | None:
    for header in FORWARDED_HEADERS:
        if header in request.headers:
            return header
    for header in request.headers:
        if header.lower().startswith(FORWARDED_PREFIX):
            return quoted(header)
    return None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")

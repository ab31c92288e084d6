"""Who is taken for a client on this host."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from meshmeter.controlplane.http.local_clients import LocalClients
from meshmeter.errors import PermissionDenied

CLIENTS = LocalClients(["control-plane.example", "10.0.0.5", "2001:db8::5"])


class Transport:
    """What aiohttp asks for the peer's address."""

    def __init__(self, peer: str | None):
        self._peer = peer

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._peer, 1234) if name == "peername" and self._peer else default


def request(peer: str | None = "127.0.0.1", **headers: str) -> web.Request:
    names = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return make_mocked_request("GET", "/", names, transport=Transport(peer))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.5.6.7", "::1", "::ffff:127.0.0.1", None])
def test_who_is_local(peer: str | None) -> None:
    assert CLIENTS.why_not(request(peer)) is None


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0"])
def test_who_is_not(peer: str) -> None:
    assert CLIENTS.why_not(request(peer)) == "it is not on the control plane's host"


@pytest.mark.attack("B8: a request that a proxy passed on is not taken for a local one")
@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "Via",
        "X_Forwarded_For",
        "X_Forwarded_Host",
        "X_Forwarded_Proto",
        "X_Real_IP",
        "x_forwarded_by",
    ],
)
def test_what_a_proxy_on_this_host_passes_on_is_not_local(header: str) -> None:
    reason = CLIENTS.why_not(request(**{header: "127.0.0.1"}))
    assert reason is not None and header.replace("_", "-") in reason


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:5676",
        "localhost.",
        "127.0.0.1:5676",
        "127.9.9.9",
        "[::1]:5676",
        "[::1]",
        "[::ffff:127.0.0.1]:1",
        "control-plane.example:5676",
        "Control-Plane.Example.",
        "10.0.0.5:5676",
        "[2001:db8::5]:5676",
    ],
)
def test_our_own_names(host: str) -> None:
    assert CLIENTS.why_not(request(Host=host)) is None
    CLIENTS.check_host(request(Host=host))


@pytest.mark.attack("B8: a web page whose name resolves to loopback reads nothing (DNS rebinding)")
@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "localhost.attacker.example:5676",
        "127.0.0.1.attacker.example",
        "10.0.0.6",
        "[2001:db8::6]:1",
        "",
        "localhost@attacker.example",
    ],
)
def test_names_of_others(host: str) -> None:
    reason = CLIENTS.why_not(request(Host=host))
    assert reason is not None and f"{host!r}" in reason and "--names" in reason
    with pytest.raises(PermissionDenied, match="--names"):
        CLIENTS.check_host(request(Host=host))


def test_from_elsewhere_any_name_is_good_for_what_anybody_may_read() -> None:
    CLIENTS.check_host(request("10.0.0.1", Host="control-plane"))


def test_of_two_hosts_both_count() -> None:
    two = CIMultiDict([("Host", "localhost"), ("Host", "attacker.example")])
    assert CLIENTS.why_not(make_mocked_request("GET", "/", two, transport=Transport("127.0.0.1"))) is not None

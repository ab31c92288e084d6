"""Where the agent connects to."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from meshmeter.addresses import IPAddress
from meshmeter.agent.address_policy import AddressPolicy, AddressRefused, CheckedResolver, literal

EVERYTHING = ("0.0.0.0/0", "::/0")
OWN = frozenset({ip_address("192.0.2.2"), ip_address("2001:db8::2")})


def policy(*networks: str) -> AddressPolicy:
    return AddressPolicy(networks, own=lambda: OWN)


def refused(address: str, *networks: str) -> str:
    with pytest.raises(AddressRefused) as caught:
        policy(*networks).check(address)
    return str(caught.value)


class Names(AbstractResolver):
    """A resolver for which every name leads to the same addresses."""

    def __init__(self, *addresses: str):
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%lo",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "fd00:42::42",
        "64:ff9b:1::a9fe:a9fe",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ],
)
@pytest.mark.attack("B1: an entry points at a link-local address or a cloud's metadata service")
def test_never_whatever_is_allowed(address: str) -> None:
    assert "never scraped" in refused(address, *EVERYTHING)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.2", "2001:db8::2"]
)
def test_this_host_always(address: str) -> None:
    policy().check(address)


def test_others_only_where_it_is_allowed() -> None:
    assert "--allowed-networks" in refused("192.0.2.1")
    assert "--allowed-networks" in refused("::ffff:192.0.2.1", "2001:db8::/32")
    policy("2001:db8::/32", "192.0.2.0/24").check("192.0.2.1")
    assert "no IP address" in refused("app.local", *EVERYTHING)


def test_a_kernel_that_does_not_tell_its_addresses_allows_nothing() -> None:
    def unknown() -> frozenset[IPAddress]:
        raise OSError(97, "Address family not supported by protocol")

    with pytest.raises(AddressRefused, match="AF_NETLINK"):
        AddressPolicy((), own=unknown).check("192.0.2.2")
    AddressPolicy((), own=unknown).check("127.0.0.1")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("169.254.169.254", "169.254.169.254"),
        ("2852039166", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("0251.0376.0251.0376", "169.254.169.254"),
        ("169.254.43518", "169.254.169.254"),
        ("0xA9.254.0251.0376", "169.254.169.254"),
        ("::ffff:a9fe:a9fe", "169.254.169.254"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("fe80::1%lo", "fe80::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("app.local", None),
        ("localhost", None),
        ("", None),
        ("a" * 300, None),
        ("\udcff", None),
    ],
)
def test_notations_of_an_address(written: str, meant: str | None) -> None:
    assert literal(written) == meant


async def test_a_name_that_leads_elsewhere() -> None:
    rebound = CheckedResolver(policy(), Names("192.0.2.1"))
    with pytest.raises(AddressRefused, match=r"app\.local leads to .* 192\.0\.2\.1 is neither"):
        await rebound.resolve("app.local", 80)
    mixed = CheckedResolver(policy("10.0.0.0/8"), Names("169.254.169.254", "10.1.2.3"))
    assert [found["host"] for found in await mixed.resolve("app.local", 80)] == ["10.1.2.3"]
    await mixed.close()


def test_no_socket_is_made_for_what_is_refused() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("169.254.169.254", 80))
    with pytest.raises(AddressRefused):
        policy(*EVERYTHING).socket(info)
    with policy().socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))) as made:
        assert made.family == socket.AF_INET

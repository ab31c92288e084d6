"""Where the agent connects to."""

from __future__ import annotations

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from meshmeter.agent.connect import AddressRefused, CheckedResolver, allowed, check_literal


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


NEVER = ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "ff02::1"]


@pytest.mark.parametrize("address", NEVER)
def test_never(address: str) -> None:
    assert not allowed(address, ["0.0.0.0/0", "::/0"])
    with pytest.raises(AddressRefused, match="is"):
        check_literal(address)


def test_allowed() -> None:
    assert allowed("127.0.0.1", []) and allowed("127.8.0.1", []) and allowed("::1", [])
    assert not allowed("192.0.2.1", [])
    assert allowed("192.0.2.1", ["2001:db8::/32", "192.0.2.0/24"])
    assert not allowed("not an address", ["0.0.0.0/0"])


def test_literals_were_checked_by_the_control_plane() -> None:
    check_literal("192.0.2.1")
    check_literal("some.host")


async def test_a_name_that_leads_elsewhere() -> None:
    rebound = CheckedResolver((), Names("192.0.2.1"))
    with pytest.raises(AddressRefused, match="leads to 192"):
        await rebound.resolve("app.local", 80)
    mixed = CheckedResolver(("10.0.0.0/8",), Names("169.254.169.254", "10.1.2.3"))
    assert [found["host"] for found in await mixed.resolve("app.local", 80)] == ["10.1.2.3"]
    await mixed.close()

"""Addresses are compared without resolving anything."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from meshmeter.effective.addresses import (
    is_loopback,
    is_wildcard,
    overlap,
    same,
    within,
)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("192.168.0.1", "192.168.0.1", True),
        ("192.168.0.1", "192.168.0.2", False),
        ("FD00::1", "fd00:0:0::1", True),
        ("::ffff:192.168.0.1", "192.168.0.1", True),
        ("0xc0a80001", "192.168.0.1", True),
        ("Web.example", "web.example", True),
        ("web.example", "192.168.0.1", False),
    ],
)
def test_same(one: str, other: str, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("0.0.0.0", "192.168.0.1", True),
        ("::", "192.168.0.1", True),
        ("0:0::0", "fd00::1", True),
        ("0.0.0.0", "web.example", True),
        ("127.0.0.1", "192.168.0.1", False),
        ("", "0.0.0.0", False),
        ("", "", False),
    ],
)
def test_overlap(one: str, other: str, collide: bool) -> None:
    assert overlap(one, other) is collide
    assert overlap(other, one) is collide


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "127.8.9.1", "127.1", "2130706433", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost"],
)
def test_loopback(text: str) -> None:
    assert is_loopback(text)


@pytest.mark.parametrize("text", ["", "128.0.0.1", "::2", "localhost.example", "0.0.0.0"])
def test_not_loopback(text: str) -> None:
    assert not is_loopback(text)


def test_wildcard() -> None:
    assert is_wildcard("0.0.0.0") and is_wildcard("::")
    assert not is_wildcard("0.0.0.1") and not is_wildcard("any")


def test_within_compares_only_the_same_family_and_never_names() -> None:
    networks = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    assert within("10.1.2.3", networks)
    assert within("::ffff:10.1.2.3", networks)
    assert within("fd12::1", networks)
    assert not within("11.0.0.1", networks)
    assert not within("db.example", networks)
    assert not within("10.1.2.3", [])

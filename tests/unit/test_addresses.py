"""Address literals are judged for what they are."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network

import pytest

from meshmeter.addresses import (
    host_port,
    in_url,
    is_loopback,
    is_metadata,
    is_odd_literal,
    is_wildcard,
    overlap,
    parse_ip,
    same,
    within,
)

METADATA = (
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0XA9FEA9FE",
    "0251.0376.0251.0376",
    "0xa9.0xfe.0xa9.0xfe",
    "169.254.43518",
    "169.16689662",
    "025177524776",
    "169.254.0xa9.0376",
)


@pytest.mark.parametrize("text", METADATA)
def test_every_spelling_of_one_address(text: str) -> None:
    assert socket.inet_aton(text) == ip_address("169.254.169.254").packed
    assert parse_ip(text) == ip_address("169.254.169.254")
    assert is_metadata(text)
    assert is_odd_literal(text) is (text != METADATA[0])


@pytest.mark.parametrize(
    "text",
    [
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
    ],
)
def test_an_address_within_another(text: str) -> None:
    assert is_metadata(text)


@pytest.mark.parametrize(
    "text", ["127.1", "127.0.1", "10.1", "0", "1.2.3.4", "0x7f.1", "256.1", "1.2.3.256", "08", "1.2.3.4.5"]
)
def test_the_same_as_a_resolver(text: str) -> None:
    try:
        expected = ip_address(socket.inet_aton(text))
    except OSError:
        expected = None
    assert parse_ip(text) == expected


@pytest.mark.parametrize(
    "text", ["", "web", "web-1.example", "0x", "0xg", "a.1", "1..2", "127.0.0.1:80", "?"]
)
def test_names_are_none(text: str) -> None:
    assert parse_ip(text) is None
    assert not is_odd_literal(text) and not is_metadata(text)


def test_loopback_stays_what_it_is() -> None:
    for text in ("::1", "::"):
        assert parse_ip(text) == ip_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:c1::a9fe:a9fe",
        "fd00:42::42",
        "fe80::1",
        "fe80::1%eth0",
        "Metadata.Google.Internal.",
    ],
)
def test_metadata_services_beside_the_usual_one(text: str) -> None:
    assert is_metadata(text)


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
    [
        "127.0.0.1",
        "127.0.0.2",
        "127.8.9.1",
        "127.1",
        "2130706433",
        "::1",
        "::ffff:127.0.0.1",
        "localhost",
        "LocalHost",
    ],
)
def test_loopback(text: str) -> None:
    assert is_loopback(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "128.0.0.1",
        "::2",
        "localhost.example",
        "0.0.0.0",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
    ],
)
def test_not_loopback(text: str) -> None:
    assert not is_loopback(text)


def test_wildcard() -> None:
    assert is_wildcard("0.0.0.0") and is_wildcard("::") and is_wildcard("0::0")
    assert is_wildcard("::ffff:0.0.0.0") and not is_wildcard("64:ff9b::") and not is_wildcard("2002::")
    assert not is_wildcard("0.0.0.1") and not is_wildcard("any")


def test_within_compares_only_the_same_family_and_never_names() -> None:
    networks = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    assert within("10.1.2.3", networks)
    assert within("::ffff:10.1.2.3", networks)
    assert within("fd12::1", networks)
    assert not within("11.0.0.1", networks)
    assert not within("db.example", networks)
    assert not within("10.1.2.3", [])


@pytest.mark.parametrize(
    ("host", "written"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("backend.example", "backend.example")],
)
def test_only_ipv6_addresses_have_brackets(host: str, written: str) -> None:
    assert (in_url(host), host_port(host, 80)) == (written, f"{written}:80")

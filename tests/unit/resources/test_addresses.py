"""Address literals are judged for what they are."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from meshmeter.resources.addresses import is_link_local, is_metadata, is_odd_literal, parse_ip

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
    assert is_link_local(text) and is_metadata(text)
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
        "fe80::1",
        "fe80::1%eth0",
        "Metadata.Google.Internal.",
    ],
)
def test_metadata_services_beside_the_usual_one(text: str) -> None:
    assert is_metadata(text)

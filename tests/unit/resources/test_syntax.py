from __future__ import annotations

import pytest

from meshmeter.resources import syntax


@pytest.mark.parametrize("name", ["default", "a", "backend-1.shop", "0", "x" * 253])
def test_usable_names(name: str) -> None:
    assert syntax.name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "cannot be empty"),
        ("x" * 254, "value length must less or equal 253"),
        ("Default", syntax.NAME_CHARACTERS),
        ("-a", syntax.NAME_CHARACTERS),
        ("a..b", syntax.NAME_CHARACTERS),
        ("a\n", syntax.NAME_CHARACTERS),
        ("a/b", syntax.NAME_CHARACTERS),
    ],
)
def test_unusable_names(name: str, reason: str) -> None:
    assert syntax.name_fault(name) == reason


def test_a_mesh_may_be_referred_to_with_an_underscore() -> None:
    assert syntax.mesh_reference_fault("my_mesh") is None
    assert syntax.mesh_reference_fault("My") == syntax.MESH_CHARACTERS
    assert syntax.mesh_reference_fault("") == "cannot be empty"
    assert syntax.mesh_reference_fault("x" * 254) == "value length must less or equal 253"


@pytest.mark.parametrize(
    ("name", "valid"), [("default", True), ("a-1", True), ("1a", False), ("a.b", False), ("a" * 64, False)]
)
def test_names_for_later_releases(name: str, valid: bool) -> None:
    assert syntax.is_rfc1035(name) is valid


@pytest.mark.parametrize(
    ("key", "valid"),
    [
        ("team", True),
        ("kuma.io/zone", True),
        ("A_b-c.d", True),
        ("", False),
        ("/x", False),
        ("Kuma.io/zone", False),
        ("a/b/c", False),
        ("-x", False),
        ("x" * 64, False),
    ],
)
def test_label_keys(key: str, valid: bool) -> None:
    assert (syntax.label_key_fault(key) is None) is valid


@pytest.mark.parametrize(("value", "valid"), [("", True), ("a_b.C", True), ("a b", False), ("x" * 64, False)])
def test_label_values(value: str, valid: bool) -> None:
    assert (syntax.label_value_fault(value) is None) is valid


def test_tags() -> None:
    assert syntax.tag_name_fault("kuma.io/service") is None
    assert syntax.tag_name_fault("") == "tag name must be non-empty"
    assert "alphanumeric" in (syntax.tag_name_fault("a@b") or "")
    assert syntax.tag_value_fault("backend_shop_svc_80") is None
    assert syntax.tag_value_fault("") == "tag value must be non-empty"
    assert "alphanumeric" in (syntax.tag_value_fault("a/b") or "")


def test_a_selector_also_takes_a_slash_and_the_star_alone() -> None:
    assert syntax.selector_value_fault("*") is None
    assert syntax.selector_value_fault("a/b") is None
    assert syntax.selector_value_fault("") == "tag value must be non-empty"
    assert 'or be "*"' in (syntax.selector_value_fault("a*") or "")


@pytest.mark.parametrize(
    ("address", "ip", "host"),
    [
        ("10.0.0.1", True, True),
        ("::1", True, True),
        ("fe80::1%eth0", False, False),
        ("example.com", False, True),
        ("example.com.", False, True),
        ("my_host", False, True),
        ("300.1.1.1", False, False),
        ("1.2.3", False, False),
        ("..", False, False),
        ("", False, False),
        ("a b", False, False),
        ("http://x", False, False),
        ("x" * 64, False, False),
        (".".join(["x" * 60] * 5), False, False),
    ],
)
def test_addresses(address: str, ip: bool, host: bool) -> None:
    assert (syntax.is_ip(address), syntax.is_host(address)) == (ip, host)


@pytest.mark.parametrize(
    ("port", "valid"), [(None, False), (0, False), (1, True), (65535, True), (65536, False)]
)
def test_ports(port: int | None, valid: bool) -> None:
    assert (syntax.port_fault(port) is None) is valid


@pytest.mark.parametrize(
    ("path", "valid"),
    [
        ("/metrics", True),
        ("/", True),
        ("/a/b.c-d_e~%20", True),
        ("", False),
        ("metrics", False),
        ("/a?b", False),
        ("/a#b", False),
        ("/a b", False),
        ("/a\u00a0b", False),
        ("/a\x00", False),
        ("/a\n", False),
    ],
)
def test_http_paths(path: str, valid: bool) -> None:
    assert (syntax.http_path_fault(path) is None) is valid

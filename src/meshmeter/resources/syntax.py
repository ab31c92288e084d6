"""What single values may look like: names, labels, tags, addresses, HTTP paths (kuma-facts 1.3, deviations
D8).

Every function answers for one value: None, or the reason why it is refused. An empty value is judged only
where the function says so.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from meshmeter.addresses import is_odd_literal

LONGEST_NAME = 253
LONGEST_MESH_NAME = 63
LONGEST_VALUE = 4096
"""Of any other string in a spec."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MESH = re.compile(r"[0-9a-z\-_.]*")
_RFC1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_TAG_NAME = re.compile(r"[a-zA-Z0-9.\-_:/]*")
_TAG_VALUE = re.compile(r"[a-zA-Z0-9.\-_:]*")
_SELECTOR_VALUE = re.compile(r"[a-zA-Z0-9.\-_:/]*|\*")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TAKEN_LABELS = frozenset({"le", "quantile", "job", "instance"})
_NOT_IN_PATH = re.compile(r"[\s?#\x00-\x1f\x7f-\x9f\ud800-\udfff]")

TOO_LONG = "value length must less or equal {}"
CANNOT_BE_EMPTY = "cannot be empty"
NAME_CHARACTERS = (
    "invalid characters. A lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters,"
    " '-' or '.', and must start and end with an alphanumeric character"
)
MESH_CHARACTERS = (
    "invalid characters. Valid characters are numbers, lowercase latin letters and '-', '_', '.' symbols."
)
PORT_RANGE = "port must be in the range [1, 65535]"


def name_fault(name: str) -> str | None:
    """Of a resource's name, which may not be empty."""
    if not name:
        return CANNOT_BE_EMPTY
    if len(name) > LONGEST_NAME:
        return TOO_LONG.format(LONGEST_NAME)
    return None if _NAME.fullmatch(name) else NAME_CHARACTERS


def mesh_reference_fault(mesh: str) -> str | None:
    """Of the name of the mesh that a resource belongs to; older meshes may have `_` in their names."""
    if not mesh:
        return CANNOT_BE_EMPTY
    if len(mesh) > LONGEST_NAME:
        return TOO_LONG.format(LONGEST_NAME)
    return None if _MESH.fullmatch(mesh) else MESH_CHARACTERS


def is_rfc1035(name: str) -> bool:
    """True for a name that a later release of Kuma would still accept for a Mesh."""
    return len(name) <= LONGEST_MESH_NAME and _RFC1035.fullmatch(name) is not None


def label_key_fault(key: str) -> str | None:
    """Of a label's key: a name of up to 63 characters, optionally after a DNS name and `/`."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > LONGEST_NAME or not _NAME.fullmatch(prefix)):
        return "prefix part must be a lowercase RFC 1123 subdomain of no more than 253 characters"
    if len(name) > 63 or not _LABEL.fullmatch(name):
        return (
            "name part must consist of alphanumeric characters, '-', '_' or '.', must start and end with an"
            " alphanumeric character, and must be no more than 63 characters"
        )
    return None


def label_value_fault(value: str) -> str | None:
    """Of a label's value, which may be empty."""
    if value and (len(value) > 63 or not _LABEL.fullmatch(value)):
        return (
            "a label value must be empty or consist of alphanumeric characters, '-', '_' or '.', must start"
            " and end with an alphanumeric character, and must be no more than 63 characters"
        )
    return None


def tag_name_fault(name: str) -> str | None:
    if not name:
        return "tag name must be non-empty"
    if not _TAG_NAME.fullmatch(name):
        return "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores"
    return None


def tag_value_fault(value: str) -> str | None:
    if not value:
        return "tag value must be non-empty"
    if not _TAG_VALUE.fullmatch(value):
        return "tag value must consist of alphanumeric characters, dots, dashes and underscores"
    return None


def selector_value_fault(value: str) -> str | None:
    """Of a tag's value in a selector, which may also be `*` or contain `/`."""
    if not value:
        return "tag value must be non-empty"
    if not _SELECTOR_VALUE.fullmatch(value):
        return (
            "tag value must consist of alphanumeric characters, dots, dashes, slashes and underscores or be"
            ' "*"'
        )
    return None


def is_ip(address: str) -> bool:
    """True for an IPv4 or IPv6 address without a scope."""
    if "%" in address:
        return False
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def is_host(address: str) -> bool:
    """True for an IP address or a host name. Numbers that are no IP address, or a hidden one, are no host name."""
    if is_ip(address):
        return True
    if is_odd_literal(address):
        return False
    if len(address) > LONGEST_NAME + 1 or not _HOST.fullmatch(address):
        return False
    return not address.rstrip(".").rpartition(".")[2].isdigit()


def port_fault(port: int | None) -> str | None:
    """Of a port that has to be there."""
    return None if port is not None and 1 <= port <= 65535 else PORT_RANGE


def http_path_fault(path: str) -> str | None:
    """Of the path of a metrics endpoint (deviations D8)."""
    if not path.startswith("/"):
        return 'path must start with "/"'
    if _NOT_IN_PATH.search(path):
        return "path must not contain a query, a fragment, white space or control characters"
    return None


def label_name_fault(name: str) -> str | None:
    """Why a Prometheus label cannot have this name; None if it can."""
    if not _LABEL_NAME.fullmatch(name):
        return "must consist of letters, digits and '_', and not start with a digit"
    if name.startswith("__") or name in _TAKEN_LABELS:
        return f"{name} has a meaning of its own in Prometheus; choose another label"
    return None

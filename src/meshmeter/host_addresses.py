"""The addresses that this host really has, asked of the kernel (rtnetlink(7), RTM_GETADDR).

Binding a socket to an address would not tell: with `net.ipv4.ip_nonlocal_bind`, usual on hosts with virtual addresses,
that works for every address.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

_ROUTE = 0  # NETLINK_ROUTE
_GET_ADDRESSES, _NEW_ADDRESS = 22, 20  # RTM_GETADDR, RTM_NEWADDR
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ADDRESS, _LOCAL = 1, 2  # IFA_ADDRESS, IFA_LOCAL: on a point-to-point link the first is the peer's

_HEAD = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_INTERFACE = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type

SECONDS = 1.0
"""How long the kernel is waited for, which answers at once."""


def host_addresses() -> frozenset[IPv4Address | IPv6Address]:
    """Every address of every interface. Raises OSError if the kernel does not tell, as where a sandbox forbids
    AF_NETLINK."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _ROUTE) as kernel:
        kernel.settimeout(SECONDS)
        asked = _INTERFACE.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        kernel.send(_HEAD.pack(_HEAD.size + len(asked), _GET_ADDRESSES, _REQUEST_DUMP, 1, 0) + asked)
        found: set[IPv4Address | IPv6Address] = set()
        while True:
            for kind, body in _messages(kernel.recv(1 << 16)):
                if kind == _DONE:
                    return frozenset(found)
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    raise OSError(code, "the kernel does not tell the addresses of this host")
                if kind == _NEW_ADDRESS:
                    found |= set(_address(body))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEAD.size <= len(data):
        length, kind, *_ = _HEAD.unpack_from(data, at)
        if length < _HEAD.size:
            return
        yield kind, data[at + _HEAD.size : at + length]
        at += _aligned(length)


def _address(body: bytes) -> Iterator[IPv4Address | IPv6Address]:
    family = body[0]
    at, values = _INTERFACE.size, {}
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            return
        values[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    raw = values.get(_LOCAL) or values.get(_ADDRESS)
    if raw is not None and family == socket.AF_INET:
        yield IPv4Address(raw)
    elif raw is not None and family == socket.AF_INET6:
        yield IPv6Address(raw)


def _aligned(length: int) -> int:
    return (length + 3) & ~3

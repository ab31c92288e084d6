"""Rules for the entries of `aggregate` (kuma-facts 2.2, deviations D8), our own fields included."""

from __future__ import annotations

from collections.abc import Iterator

from meshmeter.durations import parse_single
from meshmeter.errors import Violation
from meshmeter.resources import syntax
from meshmeter.resources.metrics import AggregateEntry, AggregateLimits

LARGEST_BODY = 256 << 20
"""Bytes that `limits.bodyBytes` may allow."""

LONGEST_SOCKET = 107
"""Bytes that the path of a unix socket may have."""


def aggregate_violations(entries: tuple[AggregateEntry, ...], path: str) -> Iterator[Violation]:
    """Faults of a list of entries at `path`."""
    names = set()
    for index, entry in enumerate(entries):
        at = f"{path}[{index}]"
        name = entry.name or ""
        if name in names:
            yield Violation(f"{at}.name", f"duplicate entry: {name}, values have to be unique")
        names.add(name)
        if entry.port is not None and (reason := syntax.port_fault(entry.port)):
            yield Violation(f"{at}.port", reason)
        if entry.path is not None and (reason := syntax.http_path_fault(entry.path)):
            yield Violation(f"{at}.path", reason)
        if entry.address is not None and not syntax.is_host(entry.address):
            yield Violation(f"{at}.address", "address has to be valid IP address or domain name")
        yield from _access(entry, at)
        if entry.limits is not None:
            yield from _limits(entry.limits, f"{at}.limits")


def _access(entry: AggregateEntry, at: str) -> Iterator[Violation]:
    """Faults of how the application is reached."""
    tls = entry.tls
    files = {
        "tls.caFile": tls.ca_file if tls else None,
        "bearerTokenFile": entry.bearer_token_file,
        "basicAuthFile": entry.basic_auth_file,
        "unixSocket": entry.unix_socket,
    }
    for field, file in files.items():
        if file is not None and not file.startswith("/"):
            yield Violation(f"{at}.{field}", "must be an absolute path on the proxy's host")
    if entry.unix_socket is not None and len(entry.unix_socket.encode()) > LONGEST_SOCKET:
        yield Violation(f"{at}.unixSocket", f"a unix socket's path has at most {LONGEST_SOCKET} bytes")
    if tls is not None and tls.ca_file is not None and tls.insecure_skip_verify:
        yield Violation(f"{at}.tls", "caFile and insecureSkipVerify cannot be defined together")
    if tls is not None and tls.server_name is not None and not syntax.is_host(tls.server_name):
        yield Violation(f"{at}.tls.serverName", "has to be a host name or an IP address")
    if entry.bearer_token_file is not None and entry.basic_auth_file is not None:
        yield Violation(at, "bearerTokenFile and basicAuthFile cannot be defined together")
    if entry.timeout is not None:
        duration = parse_single(entry.timeout)
        if duration is None or not duration:
            yield Violation(f"{at}.timeout", "must be a duration above zero, such as 500ms, 2s or 1m")
    if entry.params is not None and "" in entry.params:
        yield Violation(f"{at}.params", "the name of a parameter cannot be empty")


def _limits(limits: AggregateLimits, at: str) -> Iterator[Violation]:
    for name, info in type(limits).model_fields.items():
        value = getattr(limits, name)
        if name == "samples" and value == 0:
            continue  # no limit
        if value is not None and value <= 0:
            yield Violation(f"{at}.{info.alias}", "must be above zero")
    if limits.body_bytes is not None and limits.body_bytes > LARGEST_BODY:
        yield Violation(f"{at}.bodyBytes", f"must be at most {LARGEST_BODY}")

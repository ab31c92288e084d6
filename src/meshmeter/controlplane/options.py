"""The options of `meshmeter control-plane run`, and how each is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from meshmeter import defaults, logs
from meshmeter.durations import parse_duration
from meshmeter.options import SWITCH, Option
from meshmeter.resources.limits import DEFAULT_LIMITS

OPTIONS: Sequence[Option] = (
    Option(
        "data_dir",
        "PATH",
        "Directory of the database, keys and certificates; made if it is not there.",
        defaults.DATA_DIR,
    ),
    Option(
        "bind",
        "HOST",
        "Address that every server listens on. Beyond loopback all of them speak TLS and demand a token.",
        defaults.BIND,
    ),
    Option(
        "tls_bind",
        "HOST",
        "Address of the servers for proxies (dataplane API, ADS), if not that of --bind.",
    ),
    Option(
        "api_port",
        "PORT",
        "Port of the resource API; 0 is any free port, here and below.",
        str(defaults.API_PORT),
    ),
    Option(
        "dataplane_api_port",
        "PORT",
        "Port of the dataplane API (TLS).",
        str(defaults.DATAPLANE_API_PORT),
    ),
    Option(
        "ads_port",
        "PORT",
        "Port of ADS (gRPC, TLS).",
        str(defaults.ADS_PORT),
    ),
    Option(
        "discovery_port",
        "PORT",
        "Port of MADS and HTTP SD.",
        str(defaults.DISCOVERY_PORT),
    ),
    Option(
        "diagnostics_port",
        "PORT",
        "Port of the control plane's own metrics and health.",
        str(defaults.DIAGNOSTICS_PORT),
    ),
    Option(
        "names",
        "HOSTS",
        "Further host names and addresses, comma-separated, that the server certificate covers.",
        "",
    ),
    Option(
        "insecure_http",
        SWITCH,
        "Serve resource API, discovery and diagnostics in plain HTTP although --bind leaves loopback: who listens on "
        "the network can read the tokens.",
        "false",
    ),
    Option(
        "default_mesh",
        SWITCH,
        "Create the Mesh `default` when the store is new.",
        "true",
    ),
    Option(
        "zone",
        "ZONE",
        "Value of the kuma.io/zone tag of Dataplanes that have none.",
        "default",
    ),
    Option(
        "deregistration_delay",
        "SECONDS",
        "How long a proxy may be away before its Dataplane is removed.",
        "10s",
    ),
    Option(
        "allowed_networks",
        "NETWORKS",
        "Networks, comma-separated, that aggregate entries may point into, beside loopback and the Dataplane's own "
        "addresses.",
        "",
    ),
    Option(
        "fetch_timeout",
        "SECONDS",
        "How long a MADS poll waits if it does not say.",
        "30s",
    ),
    Option(
        "store_check_interval",
        "SECONDS",
        "How often the database is checked for damage, in the background; 0 means never.",
        "1h",
    ),
    Option(
        "max_connections",
        "COUNT",
        "Connections that each port takes at most; fewer if the limit of open files is too low for that.",
        "8192",
    ),
    Option(
        "max_connections_per_client",
        "COUNT",
        "Of these, connections of one address (of IPv6, one network of 64 bits).",
        "4096",
    ),
    Option(
        "proxy_max_connections",
        "COUNT",
        "Connections that each Envoy takes at most, of all clients together.",
        "50000",
    ),
    Option(
        "registrations_per_token",
        "COUNT",
        "Registrations a minute that one dataplane token may make.",
        "600",
    ),
    Option(
        "dataplanes_per_token",
        "COUNT",
        "Dataplanes at a time that one dataplane token may register.",
        "5000",
    ),
    Option(
        "identities_per_token",
        "COUNT",
        "Certificates a minute that one identity or admin token may ask for.",
        "60",
    ),
    Option(
        "max_inbounds",
        "COUNT",
        "Inbounds that one Dataplane may have.",
        str(DEFAULT_LIMITS.inbounds),
    ),
    Option(
        "max_outbounds",
        "COUNT",
        "Outbounds that one Dataplane may have.",
        str(DEFAULT_LIMITS.outbounds),
    ),
    Option(
        "max_tags",
        "COUNT",
        "Tags that one inbound, outbound or Dataplane may have.",
        str(DEFAULT_LIMITS.tags),
    ),
    Option(
        "max_aggregate_entries",
        "COUNT",
        "Aggregate entries that one Mesh or Dataplane may have.",
        str(DEFAULT_LIMITS.aggregate_entries),
    ),
    Option(
        "max_document_bytes",
        "COUNT",
        "Bytes that one resource may have as JSON.",
        str(DEFAULT_LIMITS.document_bytes),
    ),
    Option(
        "log_format",
        "|".join(logs.FORMATS),
        "console or json.",
        "console",
    ),
    Option(
        "log_level",
        "|".join(logs.LEVELS),
        "debug, info, warning or error.",
        "info",
    ),
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


def is_host(text: str) -> bool:
    """Whether the text can be a host name or is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        label = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
        looks_like_an_address = re.fullmatch(r"[0-9.]+", text)
        return (
            len(text) <= 253
            and not looks_like_an_address
            and bool(re.fullmatch(rf"{label}(\.{label})*", text))
        )
    return "%" not in text


def _port(value: object) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,5}", str(value)) or int(str(value)) > 65535:
        raise ValueError("is not a port, which is a number from 0 to 65535")
    return int(str(value))


def _count(value: object) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value)) or int(str(value)) == 0:
        raise ValueError("is not a number from 1 to 999999999")
    return int(str(value))


def _flag(value: object) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError("is neither true nor false")
    return words[str(value).lower()]


def _seconds(value: object) -> float:
    text = str(value)
    try:
        seconds = parse_duration(f"{text}s" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else text)
    except ValueError as exc:
        raise ValueError("is not a duration such as 10s, 1m30s or 72h") from exc
    if not 0 <= seconds <= 365 * 86400:
        raise ValueError("is not between 0 and 365d")
    return seconds


def _items(value: object) -> list[str]:
    items = []
    for part in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(part, str):
            raise ValueError("is not a list of texts")
        items += [item.strip() for item in part.split(",") if item.strip()]
    return items


def _host(value: object) -> str:
    if not isinstance(value, str) or not is_host(value):
        raise ValueError("is neither a host name nor an IP address")
    return value


def _hosts(value: object) -> tuple[str, ...]:
    names = tuple(_items(value))
    for name in names:
        if not is_host(name):
            raise ValueError(f"has {name!r}, which is neither a host name nor an IP address")
    return names


def _networks(value: object) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(item) for item in _items(value))
    except ValueError as exc:
        raise ValueError(f"is no list of networks such as 10.0.0.0/8: {exc}") from exc


def _zone(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._:-]+", value):
        raise ValueError("is no tag value: alphanumeric characters, dots, dashes and underscores")
    return value


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("is not a path")
    return Path(value)


def _one_of(*words: str) -> Any:
    def read(value: object) -> str:
        if str(value).lower() not in words:
            raise ValueError(f"is none of {', '.join(words)}")
        return str(value).lower()

    return read


READERS: Mapping[str, Any] = {
    "PATH": _path,
    "HOST": _host,
    "HOSTS": _hosts,
    "PORT": _port,
    SWITCH: _flag,
    "SECONDS": _seconds,
    "COUNT": _count,
    "NETWORKS": _networks,
    "ZONE": _zone,
    "|".join(logs.FORMATS): _one_of(*logs.FORMATS),
    "|".join(logs.LEVELS): _one_of(*logs.LEVELS),
}


def read(option: Option, value: object) -> Any:
    """The typed value of what a user wrote, or what a configuration file has. Raises ValueError."""
    return READERS[option.metavar](value)


DEFAULTS: Mapping[str, Any] = {
    option.name: None if option.default is None else read(option, option.default) for option in OPTIONS
}
"""The typed default of each option, by its name; None where it has none."""

"""Settings of `meshmeter control-plane run`: flags over environment over configuration file over defaults.

`OPTIONS` is the one list of them; the CLI, the documentation test and this loader all read it. The configuration file
is one YAML mapping; its keys are the options' names with `-` or `_`. An empty variable counts as absent.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Literal

from meshmeter.addresses import is_loopback
from meshmeter.documents.reader import parse_documents
from meshmeter.durations import parse_duration
from meshmeter.errors import InvalidResource, SettingsError
from meshmeter.files import read_file
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits

DEFAULT_DATA_DIR = Path("meshmeter-data")
"""Relative to the working directory; the CLI looks there too."""

CONFIG_FLAG = "--config"
CONFIG_VARIABLE = "MESHMETER_CONFIG"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `control-plane run` can be told; what each means is in `OPTIONS`."""

    data_dir: Path = DEFAULT_DATA_DIR
    bind: str = "127.0.0.1"
    tls_bind: str | None = None
    api_port: int = 5681
    dataplane_api_port: int = 5682
    ads_port: int = 5678
    discovery_port: int = 5676
    diagnostics_port: int = 5680
    names: tuple[str, ...] = ()
    insecure_http: bool = False
    default_mesh: bool = True
    zone: str = "default"
    deregistration_delay: float = 10.0
    """Seconds."""
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    fetch_timeout: float = 30.0
    """Seconds."""
    store_check_interval: float = 3600.0
    """Seconds; 0 means no check."""
    max_connections: int = 8192
    max_connections_per_client: int = 4096
    proxy_max_connections: int = 50_000
    registrations_per_token: int = 600
    """A minute."""
    dataplanes_per_token: int = 5000
    identities_per_token: int = 60
    """A minute."""
    max_inbounds: int = DEFAULT_LIMITS.inbounds
    max_outbounds: int = DEFAULT_LIMITS.outbounds
    max_tags: int = DEFAULT_LIMITS.tags
    max_aggregate_entries: int = DEFAULT_LIMITS.aggregate_entries
    max_document_bytes: int = DEFAULT_LIMITS.document_bytes
    log_format: Literal["console", "json"] = "console"
    log_level: str = "info"

    @property
    def limits(self) -> Limits:
        """How large a resource may be."""
        return Limits(
            self.max_inbounds,
            self.max_outbounds,
            self.max_tags,
            self.max_aggregate_entries,
            self.max_document_bytes,
        )

    @property
    def bind_with_tls(self) -> str:
        """The address of the servers that always speak TLS."""
        return self.tls_bind or self.bind

    @property
    def plain_http(self) -> bool:
        """Whether resource API, discovery and diagnostics speak plain HTTP: on loopback, or if told so."""
        return self.insecure_http or is_loopback(self.bind)


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its names everywhere and what it means."""

    name: str
    """Field of `Settings` and key in the configuration file (there also with dashes)."""
    kind: Literal[
        "path", "host", "port", "flag", "seconds", "hosts", "networks", "zone", "format", "level", "count"
    ]
    default: str
    """As a user would write it."""
    help: str

    @property
    def flag(self) -> str:
        """One that is a flag also has its opposite, `--no-…`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "MESHMETER_" + self.name.upper()


OPTIONS: Sequence[Option] = (
    Option(
        "data_dir",
        "path",
        "meshmeter-data",
        "Directory of the database, keys and certificates; made if it is not there.",
    ),
    Option(
        "bind",
        "host",
        "127.0.0.1",
        "Address that every server listens on. Beyond loopback all of them speak TLS and demand a token.",
    ),
    Option(
        "tls_bind",
        "host",
        "",
        "Address of the servers for proxies (dataplane API, ADS), if not that of --bind.",
    ),
    Option("api_port", "port", "5681", "Port of the resource API; 0 is any free port, here and below."),
    Option("dataplane_api_port", "port", "5682", "Port of the dataplane API (TLS)."),
    Option("ads_port", "port", "5678", "Port of ADS (gRPC, TLS)."),
    Option("discovery_port", "port", "5676", "Port of MADS and HTTP SD."),
    Option("diagnostics_port", "port", "5680", "Port of the control plane's own metrics and health."),
    Option(
        "names",
        "hosts",
        "",
        "Further host names and addresses, comma-separated, that the server certificate covers.",
    ),
    Option(
        "insecure_http",
        "flag",
        "false",
        "Serve resource API, discovery and diagnostics in plain HTTP although --bind leaves loopback: who listens on "
        "the network can read the tokens.",
    ),
    Option("default_mesh", "flag", "true", "Create the Mesh `default` when the store is new."),
    Option("zone", "zone", "default", "Value of the kuma.io/zone tag of Dataplanes that have none."),
    Option(
        "deregistration_delay",
        "seconds",
        "10s",
        "How long a proxy may be away before its Dataplane is removed.",
    ),
    Option(
        "allowed_networks",
        "networks",
        "",
        "Networks, comma-separated, that aggregate entries may point into, beside loopback and the Dataplane's own "
        "addresses.",
    ),
    Option("fetch_timeout", "seconds", "30s", "How long a MADS poll waits if it does not say."),
    Option(
        "store_check_interval",
        "seconds",
        "1h",
        "How often the database is checked for damage, in the background; 0 means never.",
    ),
    Option(
        "max_connections",
        "count",
        "8192",
        "Connections that each port takes at most; fewer if the limit of open files is too low for that.",
    ),
    Option(
        "max_connections_per_client",
        "count",
        "4096",
        "Of these, connections of one address (of IPv6, one network of 64 bits).",
    ),
    Option(
        "proxy_max_connections",
        "count",
        "50000",
        "Connections that each Envoy takes at most, of all clients together.",
    ),
    Option(
        "registrations_per_token",
        "count",
        "600",
        "Registrations a minute that one dataplane token may make.",
    ),
    Option(
        "dataplanes_per_token",
        "count",
        "5000",
        "Dataplanes at a time that one dataplane token may register.",
    ),
    Option(
        "identities_per_token",
        "count",
        "60",
        "Certificates a minute that one identity or admin token may ask for.",
    ),
    Option("max_inbounds", "count", "256", "Inbounds that one Dataplane may have."),
    Option("max_outbounds", "count", "512", "Outbounds that one Dataplane may have."),
    Option("max_tags", "count", "64", "Tags that one inbound, outbound or Dataplane may have."),
    Option("max_aggregate_entries", "count", "256", "Aggregate entries that one Mesh or Dataplane may have."),
    Option("max_document_bytes", "count", "1048576", "Bytes that one resource may have as JSON."),
    Option("log_format", "format", "console", "console or json."),
    Option("log_level", "level", "info", "debug, info, warning or error."),
)

_BY_NAME = {option.name: option for option in OPTIONS}


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Settings from flags (by option name, absent or None if not given), environment and configuration file.

    `flags["config"]`, or MESHMETER_CONFIG, names the file. Raises SettingsError naming what is wrong as it was
    written.
    """
    values: dict[str, Any] = {}

    def take(option: Option, given: object, source: str) -> None:
        values[option.name] = _value(option, given, source)

    if flags.get("config"):
        written = _from_file(Path(str(flags["config"])), CONFIG_FLAG)
    elif environ.get(CONFIG_VARIABLE):
        written = _from_file(Path(environ[CONFIG_VARIABLE]), CONFIG_VARIABLE)
    else:
        written = []
    for option, given, source in written:
        take(option, given, source)
    for option in OPTIONS:
        if text := environ.get(option.variable):
            take(option, text, option.variable)
        if (given := flags.get(option.name)) is not None:
            take(option, given, option.flag)

    return Settings(**values)


def _from_file(path: Path, source: str) -> list[tuple[Option, object, str]]:
    try:
        documents = parse_documents(read_file(path), origin=str(path))
    except OSError as exc:
        raise SettingsError(f"{source}: cannot read {path}: {exc.strerror}") from exc
    except InvalidResource as exc:
        raise SettingsError("; ".join(map(str, exc.violations))) from exc
    if len(documents) > 1:
        raise SettingsError(f"{path}: has {len(documents)} documents, must be one mapping of settings")
    found: dict[str, tuple[Option, object, str]] = {}
    for key, value in (documents[0].data if documents else {}).items():
        option = _BY_NAME.get(key.replace("-", "_"))
        if option is None:
            near = difflib.get_close_matches(key.replace("-", "_"), list(_BY_NAME), 1)
            hint = f', did you mean "{near[0]}"?' if near else f"; known keys: {', '.join(sorted(_BY_NAME))}"
            raise SettingsError(f"{path}: unknown key {key!r}{hint}")
        if option.name in found:
            raise SettingsError(f"{path}: {option.name} is there twice, with - and with _: keep one")
        found[option.name] = option, value, f"{path}: {key}"
    return list(found.values())


def _value(option: Option, value: object, source: str) -> object:
    """The typed value. `source` is how the user knows it."""
    if value is None:
        raise SettingsError(f"{source}: has no value")
    try:
        return _READERS[option.kind](value)
    except ValueError as exc:
        raise SettingsError(f"{source}: {value!r} {exc}") from exc


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


_READERS: Mapping[str, Any] = {
    "path": _path,
    "host": _host,
    "hosts": _hosts,
    "port": _port,
    "flag": _flag,
    "seconds": _seconds,
    "count": _count,
    "networks": _networks,
    "zone": _zone,
    "format": _one_of("console", "json"),
    "level": _one_of("debug", "info", "warning", "error"),
}

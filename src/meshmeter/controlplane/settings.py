"""Settings of `meshmeter control-plane run`: flags over environment over configuration file over defaults.

`OPTIONS` is the one list of them; the CLI, the documentation test and this loader all read it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Literal

import yaml

from meshmeter.errors import SettingsError

DEFAULT_DATA_DIR = Path("meshmeter-data")
"""Relative to the working directory; the CLI looks there too."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `control-plane run` can be told."""

    data_dir: Path = DEFAULT_DATA_DIR
    bind: str = "127.0.0.1"
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
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    fetch_timeout: float = 30.0
    log_format: Literal["console", "json"] = "console"
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its names everywhere and what it means."""

    name: str
    """Field of `Settings` and key in the configuration file (there also with dashes)."""
    kind: Literal["path", "text", "port", "flag", "seconds", "names", "networks", "format", "level"]
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "MESHMETER_" + self.name.upper()


OPTIONS: Sequence[Option] = (
    Option("data_dir", "path", "Directory of the database, keys and certificates; made if it is not there."),
    Option("bind", "text", "Address that every server listens on."),
    Option("api_port", "port", "Port of the resource API; 0 is any free port, for this and the next four."),
    Option("dataplane_api_port", "port", "Port of the dataplane API (TLS)."),
    Option("ads_port", "port", "Port of ADS (gRPC, TLS)."),
    Option("discovery_port", "port", "Port of MADS and HTTP SD."),
    Option("diagnostics_port", "port", "Port of the control plane's own metrics and health."),
    Option("names", "names", "Further host names and addresses that the server certificate covers."),
    Option(
        "insecure_http",
        "flag",
        "Serve the resource API and discovery in plain HTTP although --bind leaves loopback.",
    ),
    Option("default_mesh", "flag", "Create the Mesh `default` when the store is new."),
    Option("zone", "text", "Value of the kuma.io/zone tag of Dataplanes that have none."),
    Option("deregistration_delay", "seconds", "How long a proxy may be away before its Dataplane is removed."),
    Option(
        "allowed_networks",
        "networks",
        "Networks, beside loopback and the Dataplane's own addresses, that aggregate entries may point into.",
    ),
    Option("fetch_timeout", "seconds", "How long a MADS poll waits if it does not say."),
    Option("log_format", "format", "console or json."),
    Option("log_level", "level", "debug, info, warning or error."),
)

_BY_NAME = {option.name: option for option in OPTIONS}


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Settings from flags (by option name, absent or None if not given), environment and configuration file.

    `flags["config"]`, or MESHMETER_CONFIG, names the file. Raises SettingsError naming what is wrong as it was
    written.
    """
    config = flags.get("config") or environ.get("MESHMETER_CONFIG")
    values: dict[str, Any] = _from_file(Path(str(config))) if config else {}
    for option in OPTIONS:
        if (text := environ.get(option.variable)) is not None:
            values[option.name] = _value(option, text, option.variable)
        if (given := flags.get(option.name)) is not None:
            values[option.name] = _value(option, given, option.flag)
    settings = Settings(**values)
    if not settings.insecure_http and not _is_loopback(settings.bind):
        raise SettingsError(
            f"--bind {settings.bind} leaves loopback, where the resource API and discovery would answer in plain "
            "HTTP: keep --bind on loopback, or add --insecure-http if the network is trusted"
        )
    return settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as exc:
        raise SettingsError(f"--config {path}: {exc.strerror}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise SettingsError(f"--config {path} is not YAML: {exc}") from exc
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"--config {path}: must be a mapping of settings")
    values = {}
    for key, value in content.items():
        option = _BY_NAME.get(str(key).replace("-", "_"))
        if option is None:
            near = difflib.get_close_matches(str(key).replace("-", "_"), list(_BY_NAME), 1)
            hint = f', did you mean "{near[0]}"?' if near else f"; known keys: {', '.join(sorted(_BY_NAME))}"
            raise SettingsError(f"{path}: unknown key {key!r}{hint}")
        values[option.name] = _value(option, value, f"{path}: {key}")
    return values


def _value(option: Option, value: object, source: str) -> object:
    """The typed value. `source` is how the user knows it."""
    try:
        return _READERS[option.kind](value)
    except (ValueError, TypeError) as exc:
        raise SettingsError(f"{source}: {value!r} {exc}") from exc


def _port(value: object) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,5}", str(value)) or int(str(value)) > 65535:
        raise ValueError("is not a port, which is a number from 0 to 65535")
    return int(str(value))


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError("is neither true nor false")
    return words[str(value).lower()]


def _seconds(value: object) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|)", str(value))
    if match is None or isinstance(value, bool):
        raise ValueError("is not a duration such as 10s, 5m, 72h")
    return float(match[1]) * {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def _items(value: object) -> list[str]:
    parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
    return [str(part).strip() for part in parts if str(part).strip()]


def _names(value: object) -> tuple[str, ...]:
    names = tuple(_items(value))
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", name):
            raise ValueError(f"has {name!r}, which is neither a host name nor an address")
    return names


def _networks(value: object) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(item) for item in _items(value))
    except ValueError as exc:
        raise ValueError(f"has {exc}; write networks such as 10.0.0.0/8") from exc


def _one_of(*words: str) -> Any:
    def read(value: object) -> str:
        if str(value).lower() not in words:
            raise ValueError(f"is none of {', '.join(words)}")
        return str(value).lower()

    return read


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is empty or not a text")
    return value


_READERS: Mapping[str, Any] = {
    "path": lambda value: Path(_text(str(value))),
    "text": _text,
    "port": _port,
    "flag": _flag,
    "seconds": _seconds,
    "names": _names,
    "networks": _networks,
    "format": _one_of("console", "json"),
    "level": _one_of("debug", "info", "warning", "error"),
}


def _is_loopback(bind: str) -> bool:
    if bind == "localhost":
        return True
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return False

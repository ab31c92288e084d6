"""Settings of `meshmeter control-plane run`: flags over environment over configuration file over defaults.

The configuration file is one YAML mapping; its keys are the options' names with `-` or `_`. An empty variable counts as
absent.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal

from meshmeter.addresses import is_loopback
from meshmeter.controlplane.options import BY_NAME, DEFAULTS, OPTIONS, read
from meshmeter.documents.reader import parse_documents
from meshmeter.errors import InvalidResource, SettingsError
from meshmeter.files import read_file
from meshmeter.options import Option
from meshmeter.resources.limits import Limits

CONFIG_FLAG = "--config"
CONFIG_VARIABLE = "MESHMETER_CONFIG"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `control-plane run` can be told; what each means is in `options.OPTIONS`."""

    data_dir: Path = DEFAULTS["data_dir"]
    bind: str = DEFAULTS["bind"]
    tls_bind: str | None = DEFAULTS["tls_bind"]
    api_port: int = DEFAULTS["api_port"]
    dataplane_api_port: int = DEFAULTS["dataplane_api_port"]
    ads_port: int = DEFAULTS["ads_port"]
    discovery_port: int = DEFAULTS["discovery_port"]
    diagnostics_port: int = DEFAULTS["diagnostics_port"]
    names: tuple[str, ...] = DEFAULTS["names"]
    insecure_http: bool = DEFAULTS["insecure_http"]
    default_mesh: bool = DEFAULTS["default_mesh"]
    zone: str = DEFAULTS["zone"]
    deregistration_delay: float = DEFAULTS["deregistration_delay"]
    """Seconds."""
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = DEFAULTS["allowed_networks"]
    fetch_timeout: float = DEFAULTS["fetch_timeout"]
    """Seconds."""
    store_check_interval: float = DEFAULTS["store_check_interval"]
    """Seconds; 0 means no check."""
    max_connections: int = DEFAULTS["max_connections"]
    max_connections_per_client: int = DEFAULTS["max_connections_per_client"]
    proxy_max_connections: int = DEFAULTS["proxy_max_connections"]
    registrations_per_token: int = DEFAULTS["registrations_per_token"]
    """A minute."""
    dataplanes_per_token: int = DEFAULTS["dataplanes_per_token"]
    identities_per_token: int = DEFAULTS["identities_per_token"]
    """A minute."""
    max_inbounds: int = DEFAULTS["max_inbounds"]
    max_outbounds: int = DEFAULTS["max_outbounds"]
    max_tags: int = DEFAULTS["max_tags"]
    max_aggregate_entries: int = DEFAULTS["max_aggregate_entries"]
    max_document_bytes: int = DEFAULTS["max_document_bytes"]
    log_format: Literal["console", "json"] = DEFAULTS["log_format"]
    log_level: str = DEFAULTS["log_level"]

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
        option = BY_NAME.get(key.replace("-", "_"))
        if option is None:
            near = difflib.get_close_matches(key.replace("-", "_"), list(BY_NAME), 1)
            hint = f', did you mean "{near[0]}"?' if near else f"; known keys: {', '.join(sorted(BY_NAME))}"
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
        return read(option, value)
    except ValueError as exc:
        raise SettingsError(f"{source}: {value!r} {exc}") from exc

"""ScrapeConfig: what the agent scrapes, as the control plane tells it (JSON on the wire).

The control plane may be a newer one: fields that are not known here are passed over, fields that are known have to be
of their type, so that nothing that is in force can fail later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from ipaddress import ip_network
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How an application is reached and what it may contribute, where that is not the default."""

    scheme: str = "http"
    ca_file: str = ""
    """Authorities to trust; empty: those of the system."""
    server_name: str = ""
    insecure_skip_verify: bool = False
    bearer_token_file: str = ""
    basic_auth_file: str = ""
    """Holds `user:password`."""
    params: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None
    """Seconds."""
    unix_socket: str = ""
    """Connect there instead of to address and port."""
    body_bytes: int | None = None
    samples: int | None = None
    """0: no limit."""
    labels: int | None = None
    label_name_bytes: int | None = None
    label_value_bytes: int | None = None

    @classmethod
    def from_json(cls, data: object, where: str = "options") -> SourceOptions:
        """Raises ValueError."""
        params = _list(data, "params", where)
        for at, pair in enumerate(params):
            if not (
                isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(p, str) for p in pair)
            ):
                raise ValueError(f"{where}.params[{at}] is no pair of strings")
        return cls(**_known(cls, data, where), params=tuple((name, value) for name, value in params))


PLAIN = SourceOptions()
"""Of an entry that sets none."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One application endpoint."""

    name: str
    address: str
    port: int
    """0 for a unix socket."""
    path: str
    options: SourceOptions = PLAIN

    @classmethod
    def from_json(cls, data: object, where: str = "source") -> SourceConfig:
        """Raises ValueError."""
        known = _known(cls, data, where)
        if not 0 <= known["port"] <= 65535:
            raise ValueError(f"{where}.port: {known['port']} is no port")
        options = _object(data, where).get("options", {})
        return cls(**known, options=SourceOptions.from_json(options, f"{where}.options"))


@dataclass(frozen=True, slots=True)
class ScrapeConfig:
    """Everything the agent needs for a scrape; `version` changes whenever anything else does."""

    version: str
    mesh: str
    dataplane: str
    enabled: bool
    """False when metrics are off for this proxy; the endpoint then has no listener anyway."""
    sources: tuple[SourceConfig, ...] = ()
    filter_regex: str | None = None
    """RE2, partial match on Envoy's dotted stat name."""
    used_only: bool = False
    application_label: str | None = None
    """Label that names the aggregate entry on every application series; None: no label."""
    allowed_networks: tuple[str, ...] = ()
    """In CIDR form: where host names of sources may lead to, beyond the agent's own host (design 8)."""
    agent_metrics: bool = False
    """Whether the agent's own metrics are part of the answer."""
    metrics_address: str = ""
    metrics_port: int = 0
    """Where the metrics endpoint itself listens, which no source may lead to; an older control plane does not tell."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> ScrapeConfig:
        """The inverse of `to_json`. Raises ValueError, which names the field, if it cannot be used."""
        sources = _list(data, "sources")
        networks = _list(data, "allowed_networks")
        for network in networks:
            ip_network(network)
        return cls(
            **_known(cls, data),
            sources=tuple(SourceConfig.from_json(each, f"sources[{at}]") for at, each in enumerate(sources)),
            allowed_networks=tuple(networks),
        )


_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "bool": (bool,),
    "int": (int,),
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
}
"""What JSON may hold for the fields that are read one by one."""


def _known(cls: type, data: object, where: str = "") -> dict[str, Any]:
    """The fields of `cls` that are plain values. Raises ValueError if one is of another type, or is missing."""
    given, known = _object(data, where), {}
    for field in fields(cls):
        types = _TYPES.get(str(field.type))
        if types is None:
            continue
        name = f"{where}.{field.name}" if where else field.name
        if field.name not in given:
            if field.default is MISSING:
                raise ValueError(f"{name} is missing")
            continue
        value = given[field.name]
        if not isinstance(value, types) or (isinstance(value, bool) and field.type != "bool"):
            raise ValueError(f"{name}: {value!r:.100} is not of the type {field.type}")
        known[field.name] = value
    return known


def _object(data: object, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ValueError(f"{where or 'the configuration'} is no object")
    return data


def _list(data: object, name: str, where: str = "") -> list[Any]:
    """A field that is a list, empty if it is missing."""
    found = _object(data, where).get(name, [])
    if not isinstance(found, list | tuple):
        raise ValueError(f"{where}.{name} is no list" if where else f"{name} is no list")
    return list(found)

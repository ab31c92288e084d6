"""ScrapeConfig: what the agent scrapes, as the control plane tells it (JSON on the wire)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
    labels: int | None = None
    label_name_bytes: int | None = None
    label_value_bytes: int | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SourceOptions:
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        known["params"] = tuple((name, value) for name, value in data.get("params", ()))
        return cls(**known)


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
    def from_json(cls, data: dict[str, Any]) -> SourceConfig:
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        known["options"] = SourceOptions.from_json(data.get("options", {}))
        return cls(**known)


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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ScrapeConfig:
        """The inverse of `to_json`. Unknown keys of a newer control plane are ignored."""
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        known["sources"] = tuple(map(SourceConfig.from_json, data.get("sources", ())))
        known["allowed_networks"] = tuple(data.get("allowed_networks", ()))
        return cls(**known)

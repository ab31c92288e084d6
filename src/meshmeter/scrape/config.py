"""ScrapeConfig: what the agent scrapes, as the control plane tells it (JSON on the wire)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One application endpoint."""

    name: str
    address: str
    port: int
    path: str


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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ScrapeConfig:
        """The inverse of `to_json`. Unknown keys of a newer control plane are ignored."""
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        fields = SourceConfig.__dataclass_fields__
        known["sources"] = tuple(
            SourceConfig(**{k: v for k, v in s.items() if k in fields}) for s in data.get("sources", ())
        )
        known["allowed_networks"] = tuple(data.get("allowed_networks", ()))
        return cls(**known)

"""ProxyStatus: what a running proxy shows of itself, beside its resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """One word for a proxy, as `meshmeter get dataplanes` shows it."""

    ONLINE = "online"
    OFFLINE = "offline"
    REJECTED = "rejected"
    """Connected, but Envoy refused its newest configuration and serves an older one."""


@dataclass(frozen=True, slots=True)
class Nack:
    """A configuration that Envoy refused."""

    type_url: str
    message: str
    """In Envoy's words."""
    at: datetime


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """What is known of one proxy now; the defaults are those of a proxy that never appeared."""

    connected_since: datetime | None = None
    """Since when it has an ADS stream; None while it has none."""
    agent_version: str = ""
    envoy_version: str = ""
    acknowledged: Mapping[str, str] = field(default_factory=dict)
    """Type URL to the version that Envoy took over."""
    nack: Nack | None = None
    """The last refusal, until a newer version of that type is acknowledged."""
    last_report: Mapping[str, Any] | None = None
    """What the agent told of its last scrape, with `received_at`."""

    @property
    def state(self) -> State:
        if self.connected_since is None:
            return State.OFFLINE
        return State.REJECTED if self.nack is not None else State.ONLINE

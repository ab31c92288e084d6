"""ProxyInfo: what a running proxy says of itself; it rides in Envoy's node metadata.

A control plane that was restarted thus learns it again from Envoy's reconnect, before the agent says anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

METADATA_KEY = "meshmeter"


@dataclass(frozen=True, slots=True)
class ProxyInfo:
    """Where the proxy's sockets and files are on its host."""

    mesh: str
    dataplane: str
    agent_socket: str
    """Unix socket on which the agent answers scrapes."""
    admin_socket: str
    """Unix socket of Envoy's admin interface; empty if there is none."""
    metrics_cert_path: str | None = None
    metrics_key_path: str | None = None
    agent_version: str = ""
    envoy_version: str = ""
    ipv6: bool = True

    def to_metadata(self) -> dict[str, Any]:
        """For `node.metadata` of the bootstrap; None values are left out."""
        return {METADATA_KEY: {key: value for key, value in asdict(self).items() if value is not None}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> ProxyInfo:
        """The inverse of `to_metadata`. Raises ValueError if it is not ours."""
        content = metadata.get(METADATA_KEY)
        if not isinstance(content, Mapping):
            raise ValueError(f"the node metadata has no {METADATA_KEY!r}")
        known = {field.name: content[field.name] for field in fields(cls) if field.name in content}
        for name, value in known.items():
            if not isinstance(value, bool if name == "ipv6" else str):
                raise ValueError(f"{METADATA_KEY}.{name} of the node metadata has the wrong type")
        try:
            return cls(**known)
        except TypeError as exc:
            raise ValueError(f"the node metadata is incomplete: {exc}") from exc

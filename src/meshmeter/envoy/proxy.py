"""ProxyInfo: what a running proxy tells of itself.

It rides in Envoy's node metadata, so a control plane that was restarted learns it from the reconnect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

METADATA_KEY = "meshmeter"
"""The one key of Envoy's node metadata that is ours."""

LONGEST = 4096
"""Characters of one value of it at most: the longest path that Linux has."""


@dataclass(frozen=True, slots=True)
class ProxyInfo:
    """One running proxy: its Dataplane, and the sockets, files and versions on its host."""

    mesh: str
    dataplane: str
    agent_socket: str
    """Path of the unix socket where the agent serves `/metrics` to Envoy."""
    admin_socket: str
    """Path of the unix socket of Envoy's admin interface."""
    metrics_cert_path: str | None = None
    """File of the provided certificate; None if the user named none."""
    metrics_key_path: str | None = None
    """File of its key; None if the user named none."""
    metrics_sds_path: str | None = None
    """File by which the agent hands the provided certificate to Envoy, once it is good; None if it does not."""
    agent_version: str = ""
    envoy_version: str = ""

    @property
    def node_id(self) -> str:
        """The id by which Envoy presents itself, `<mesh>.<name>`."""
        return f"{self.mesh}.{self.dataplane}"

    def to_metadata(self) -> dict[str, Any]:
        """Node metadata; what is empty is absent."""
        fields = {
            "mesh": self.mesh,
            "dataplane": self.dataplane,
            "agentSocket": self.agent_socket,
            "adminSocket": self.admin_socket,
            "metricsCertPath": self.metrics_cert_path,
            "metricsKeyPath": self.metrics_key_path,
            "metricsSdsPath": self.metrics_sds_path,
            "agentVersion": self.agent_version,
            "envoyVersion": self.envoy_version,
        }
        return {METADATA_KEY: {key: value for key, value in fields.items() if value not in (None, "")}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> ProxyInfo:
        """The inverse of `to_metadata`. Keys of a newer version are ignored. Raises ValueError naming the
        fault."""
        fields = metadata.get(METADATA_KEY)
        if not isinstance(fields, Mapping):
            raise ValueError(f"the node metadata has no {METADATA_KEY!r}")

        def text(key: str) -> str:
            value = fields.get(key, "")
            if not isinstance(value, str):
                raise ValueError(f"{key} in the node metadata is not text")
            if len(value) > LONGEST:
                raise ValueError(f"{key} in the node metadata has more than {LONGEST} characters")
            return value

        def needed(key: str) -> str:
            if not (value := text(key)):
                raise ValueError(f"{key} is missing in the node metadata")
            return value

        return cls(
            mesh=needed("mesh"),
            dataplane=needed("dataplane"),
            agent_socket=needed("agentSocket"),
            admin_socket=needed("adminSocket"),
            metrics_cert_path=text("metricsCertPath") or None,
            metrics_key_path=text("metricsKeyPath") or None,
            metrics_sds_path=text("metricsSdsPath") or None,
            agent_version=text("agentVersion"),
            envoy_version=text("envoyVersion"),
        )

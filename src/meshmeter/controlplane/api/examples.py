"""Examples in the description: every one works as it stands, in a Mesh `default` with mTLS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_INBOUND = {"port": 8080, "tags": {"kuma.io/service": "backend"}}

DOCUMENTS: Mapping[str, dict[str, Any]] = {
    "Mesh": {
        "type": "Mesh",
        "name": "default",
        "metrics": {
            "enabledBackend": "prometheus-1",
            "backends": [
                {
                    "name": "prometheus-1",
                    "type": "prometheus",
                    "conf": {"port": 5670, "path": "/metrics", "tls": {"mode": "disabled"}},
                }
            ],
        },
    },
    "Dataplane": {
        "type": "Dataplane",
        "mesh": "default",
        "name": "backend-1",
        "networking": {"address": "192.168.0.1", "inbound": [_INBOUND]},
    },
    "TrafficPermission": {
        "type": "TrafficPermission",
        "mesh": "default",
        "name": "prometheus-to-metrics",
        "sources": [{"match": {"kuma.io/service": "prometheus"}}],
        "destinations": [{"match": {"kuma.io/service": "dataplane-metrics"}}],
    },
}
"""By kind."""

SECRET = {"type": "Secret", "mesh": "default", "name": "ca-key", "data": "c2VjcmV0"}

BATCH = {"documents": [DOCUMENTS["Dataplane"], DOCUMENTS["TrafficPermission"]]}

DATAPLANE_TOKEN = {
    "mesh": "default",
    "name": "backend-1",
    "tags": {"kuma.io/service": ["backend"]},
    "validFor": "30d",
}
DISCOVERY_TOKEN = {"meshes": ["default"], "validFor": "30d"}
IDENTITY_TOKEN = {"mesh": "default", "service": "prometheus", "validFor": "30d"}
ADMIN_TOKEN = {"validFor": "24h"}
ROTATION = {"overlap": True}

IDENTITY = {
    "service": "prometheus",
    "csr": """-----BEGIN CERTIFICATE REQUEST-----
MIG5MGICAQAwADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLxfTGyKUQN9avNq
qqp4mbBRx/ENDZEPxKaqBq7KnTNv8fLkxPltJ9hd6Cxgp3gANgaBecuc6q9KOsu6
pv7wcPqgADAKBggqhkjOPQQDAgNHADBEAiAKevY/toj2xG/4dUaB8rfMBlCKlCsx
NkPtvfwGDcd60gIgC8Sx4EgXdN4zxTAelFEnnzUUrCSC7XMq6lMU6WZx4VM=
-----END CERTIFICATE REQUEST-----
""",
}

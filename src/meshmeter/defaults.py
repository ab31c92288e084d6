"""Where things are unless somebody says otherwise; the control plane, the agent and the CLI have to agree on it."""

from __future__ import annotations

DATA_DIR = "meshmeter-data"
"""Of a control plane, relative to the working directory."""

BIND = "127.0.0.1"
"""What its servers listen on."""

API_PORT = 5681
DATAPLANE_API_PORT = 5682
ADS_PORT = 5678
DISCOVERY_PORT = 5676
DIAGNOSTICS_PORT = 5680

METRICS_PROXY_PORT = 15100
"""On loopback, where Prometheus finds the proxy that scrapes for it."""

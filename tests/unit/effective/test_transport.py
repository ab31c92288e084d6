"""tls.mode, skipMTLS, and what they come to in a mesh with and without mTLS (kuma-facts 2.3)."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.effective.precedence import conf_layers
from meshmeter.effective.transport import Transport, mtls_enabled, permissive, tls_mode, transport_of
from meshmeter.resources.metrics import TlsMode
from support.resources import dataplane, mesh, metered

ACTIVE, PROVIDED, DISABLED = TlsMode.ACTIVE_MTLS_BACKEND, TlsMode.PROVIDED_TLS, TlsMode.DISABLED


def mode(on_mesh: dict[str, Any], on_dataplane: dict[str, Any]) -> tuple[TlsMode, str]:
    found = conf_layers(metered(**on_mesh), dataplane(conf=on_dataplane))
    assert found is not None
    result = tls_mode(found.layers)
    return result.value, result.origin.field


MESH = "metrics.backends[0].conf"


@pytest.mark.parametrize(
    ("on_mesh", "on_dataplane", "expected"),
    [
        ({}, {}, (ACTIVE, "")),
        ({"tls": {}}, {}, (ACTIVE, f"{MESH}.tls")),
        ({"skipMTLS": False}, {}, (ACTIVE, f"{MESH}.skipMTLS")),
        ({"skipMTLS": True}, {}, (DISABLED, f"{MESH}.skipMTLS")),
        ({"tls": {"mode": "providedTLS"}}, {}, (PROVIDED, f"{MESH}.tls.mode")),
        ({"skipMTLS": True, "tls": {"mode": "disabled"}}, {}, (DISABLED, f"{MESH}.tls.mode")),
        ({"skipMTLS": True, "tls": {"mode": "providedTLS"}}, {}, (PROVIDED, f"{MESH}.tls.mode")),
        ({"tls": {"mode": "disabled"}}, {"tls": {}}, (ACTIVE, "metrics.conf.tls")),
        (
            {"tls": {"mode": "disabled"}},
            {"tls": {"mode": "activeMTLSBackend"}},
            (ACTIVE, "metrics.conf.tls.mode"),
        ),
        ({"tls": {"mode": "disabled"}}, {"skipMTLS": False}, (ACTIVE, "metrics.conf.skipMTLS")),
        ({"tls": {}}, {"skipMTLS": True}, (DISABLED, "metrics.conf.skipMTLS")),
    ],
)
def test_mode(on_mesh: dict[str, Any], on_dataplane: dict[str, Any], expected: tuple[TlsMode, str]) -> None:
    assert mode(on_mesh, on_dataplane) == expected


@pytest.mark.parametrize(
    ("written", "mtls", "expected"),
    [
        (ACTIVE, True, Transport.MTLS),
        (ACTIVE, False, Transport.PLAIN),
        (PROVIDED, True, Transport.PROVIDED_TLS),
        (PROVIDED, False, Transport.PROVIDED_TLS),
        (DISABLED, True, Transport.PLAIN),
    ],
)
def test_transport(written: TlsMode, mtls: bool, expected: Transport) -> None:
    assert transport_of(metered(mtls=mtls).spec, written) is expected


def test_an_enabled_ca_backend_that_is_missing_opens_nothing() -> None:
    spec = mesh("default", mtls={"enabledBackend": "gone"}).spec
    assert mtls_enabled(spec)
    assert transport_of(spec, ACTIVE) is Transport.MTLS


@pytest.mark.parametrize(
    ("mode", "enabled", "expected"),
    [("PERMISSIVE", True, True), ("STRICT", True, False), (None, True, False), ("PERMISSIVE", False, False)],
)
def test_plain_traffic_beside_mtls(mode: str | None, enabled: bool, expected: bool) -> None:
    backend = {"name": "ca", "type": "builtin", **({"mode": mode} if mode else {})}
    made = mesh("default", mtls={"backends": [backend], **({"enabledBackend": "ca"} if enabled else {})})
    assert permissive(made.spec) is expected

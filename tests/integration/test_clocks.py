"""Clocks that are a minute off: what has to work on goes on, and what is over by our clock is over."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from meshmeter.certs.tokens import DATAPLANE, SigningKey, issue
from support.access import refusal, register, stream
from support.mesh_tls import Authority, scrape
from support.processes import ControlPlane, document, eventually
from support.proxies import application, dataplane_document, start_proxy

BACKEND = "127.0.0.3"
MINUTE = timedelta(minutes=1)


def token(control_plane: ControlPlane, *, ahead: timedelta, valid_for: timedelta) -> str:
    """As a control plane with the same key would issue it whose clock is so far ahead."""
    key = SigningKey.from_pem((control_plane.data_dir / "signing.key").read_bytes())
    return issue(
        key,
        DATAPLANE,
        token_id=secrets.token_hex(16),
        now=datetime.now(UTC) + ahead,
        valid_for=valid_for,
        mesh="default",
    )


def test_tokens(control_plane: ControlPlane) -> None:
    made = dataplane_document("backend", BACKEND, service_port=80)
    behind = token(control_plane, ahead=-MINUTE, valid_for=2 * MINUTE)
    assert register(control_plane, made, behind)[0] == 200
    over = token(control_plane, ahead=-MINUTE, valid_for=MINUTE)
    status, reason = refusal(register(control_plane, made, over))
    assert status == 401 and "the token expired at" in reason
    early = token(control_plane, ahead=MINUTE, valid_for=MINUTE)
    refused = "the token is not valid yet: compare the clocks of both hosts"
    assert refusal(register(control_plane, made, early)) == (401, refused)
    assert stream(control_plane, "default", "backend", early) == (grpc.StatusCode.UNAUTHENTICATED, refused)
    slightly = token(control_plane, ahead=timedelta(seconds=3), valid_for=MINUTE)
    assert register(control_plane, made, slightly)[0] == 200


def test_certificates_of_clients(control_plane: ControlPlane, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    mesh = document(
        type="Mesh",
        name="default",
        mtls={"enabledBackend": "ca-1", "backends": [authority.backend()]},
        metrics={"enabledBackend": "p", "backends": [{"name": "p", "type": "prometheus"}]},
    )
    control_plane.ok("apply", "-f", "-", stdin=mesh)
    made = dataplane_document("backend", BACKEND, service_port=application(control_plane, "backend"))
    url = start_proxy(control_plane, made).metrics_url.replace("http:", "https:")
    eventually(lambda: scrape(url, authority.client("prometheus"))[0] == 200, "a scrape over mTLS")
    for ahead in (MINUTE, -MINUTE):
        assert scrape(url, authority.client("prometheus", ahead=ahead))[0] == 200, ahead
    with pytest.raises(OSError):
        scrape(url, authority.client("prometheus", ahead=-MINUTE, valid_for=timedelta(seconds=55)))

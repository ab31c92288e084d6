from __future__ import annotations

from datetime import UTC, datetime

from meshmeter.controlplane.proxies.status import Nack, ProxyStatus, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NACK = Nack("type.googleapis.com/envoy.config.listener.v3.Listener", "no", NOW)


def test_the_state_is_one_word() -> None:
    assert ProxyStatus().state is State.OFFLINE
    assert ProxyStatus(connected_since=NOW).state is State.ONLINE
    assert ProxyStatus(connected_since=NOW, nack=NACK).state is State.REJECTED


def test_a_proxy_that_is_not_connected_is_offline_whatever_it_refused() -> None:
    assert ProxyStatus(nack=NACK).state is State.OFFLINE

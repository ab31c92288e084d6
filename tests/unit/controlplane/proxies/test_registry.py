"""What the control plane knows of running proxies, and for how long one has been away."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meshmeter.controlplane.proxies.registry import RETURN_SECONDS, ProxyRegistry
from meshmeter.controlplane.proxies.status import State

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LISTENERS = "type.googleapis.com/envoy.config.listener.v3.Listener"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(clock: Clock) -> ProxyRegistry:
    return ProxyRegistry(clock=clock, now=lambda: NOW)


def test_a_proxy_that_never_appeared_is_offline(registry: ProxyRegistry) -> None:
    assert registry.status("default", "web-1").state is State.OFFLINE


def test_a_stream_makes_a_proxy_online_until_it_ends(registry: ProxyRegistry) -> None:
    registry.stream_opened("default", "web-1", "0.1.0", "1.40.0")
    status = registry.status("default", "web-1")
    assert (status.state, status.connected_since, status.envoy_version) == (State.ONLINE, NOW, "1.40.0")
    assert registry.connected() == 1
    registry.stream_closed("default", "web-1")
    assert registry.status("default", "web-1").state is State.OFFLINE
    assert registry.connected() == 0


def test_a_refusal_is_kept_until_that_type_is_acknowledged(registry: ProxyRegistry) -> None:
    registry.stream_opened("default", "web-1", "", "")
    registry.refused("default", "web-1", LISTENERS, "cannot bind: Address already in use")
    status = registry.status("default", "web-1")
    assert status.state is State.REJECTED
    assert status.nack is not None and status.nack.message == "cannot bind: Address already in use"
    registry.acknowledged("default", "web-1", "another type", "v1")
    assert registry.status("default", "web-1").state is State.REJECTED
    registry.acknowledged("default", "web-1", LISTENERS, "v2")
    status = registry.status("default", "web-1")
    assert status.state is State.ONLINE
    assert status.acknowledged == {"another type": "v1", LISTENERS: "v2"}


def test_a_report_carries_when_it_came(registry: ProxyRegistry) -> None:
    registry.reported("default", "web-1", {"status": 200})
    report = registry.status("default", "web-1").last_report
    assert report is not None
    assert report["status"] == 200 and report["received_at"].startswith("2026-01-02T03:04:05")


def test_absence_begins_with_the_last_sign_of_life(registry: ProxyRegistry, clock: Clock) -> None:
    key = ("default", "web-1")
    registry.stream_opened(*key, "", "")
    clock.now = 200
    assert registry.absent_for(key) == 0
    with registry.poll(*key):
        registry.stream_closed(*key)
        clock.now = 300
        assert registry.absent_for(key) == 0, "an open poll is a sign of life"
    clock.now = 307
    assert registry.absent_for(key) == 7


def test_after_a_restart_every_proxy_gets_its_full_time_to_come_back(
    registry: ProxyRegistry, clock: Clock
) -> None:
    clock.now = 100 + RETURN_SECONDS
    assert registry.absent_for(("default", "from-before")) == 0
    clock.now += 4
    assert registry.absent_for(("default", "from-before")) == 4


def test_forgetting_spares_a_proxy_that_is_there(registry: ProxyRegistry) -> None:
    key = ("default", "web-1")
    registry.stream_opened(*key, "", "")
    registry.forget(key)
    assert registry.status(*key).state is State.ONLINE
    registry.stream_closed(*key)
    registry.forget(key)
    assert registry.status(*key).agent_version == ""


def test_what_a_proxy_says_of_itself_is_cut_and_escaped(registry: ProxyRegistry) -> None:
    registry.stream_opened("default", "web-1", "v" * 4096, "1\n2")
    status = registry.status("default", "web-1")
    assert len(status.agent_version) < 100 and status.envoy_version == "1\\n2"

from __future__ import annotations

import pytest

from meshmeter.controlplane.http.limits import Limits, fitting


def test_enough_descriptors_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert fitting(Limits(), 65536, 5) == Limits() and not caplog.messages


def test_ports_share_the_descriptors_that_there_are(caplog: pytest.LogCaptureFixture) -> None:
    found = fitting(Limits(), 1256, 5)
    assert (found.connections, found.per_client) == (200, 100)
    assert "1256 files" in caplog.text and "200 connections on each port, not for 8192" in caplog.text
    assert found.head == Limits().head


def test_those_who_said_nothing_are_an_eighth() -> None:
    assert (Limits(800, 400).waiting, Limits(800, 400).waiting_per_client) == (100, 50)
    assert (Limits(1, 1).waiting, Limits(1, 1).waiting_per_client) == (1, 1)

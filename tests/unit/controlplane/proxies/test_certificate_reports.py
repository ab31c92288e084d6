"""What agents tell of provided certificates, and what is no such report."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meshmeter.agent import provided_certificate
from meshmeter.controlplane.proxies.certificate_reports import (
    LONGEST_DETAIL,
    LONGEST_NAME,
    MOST_NAMES,
    read_certificate,
)
from meshmeter.effective.credentials import CertificateState
from meshmeter.errors import InvalidResource


def test_what_an_agent_sends_is_understood() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    for state in CertificateState:
        sent = provided_certificate.Finding(str(state), "why", moment).to_json()
        read = read_certificate(sent, "certificate")
        assert (read.state, read.detail, read.not_after) == (state, "why", moment)


def test_names_are_understood_and_older_agents_tell_none() -> None:
    sent = provided_certificate.Finding("usable", names=("a.example", "10.0.0.7")).to_json()
    assert read_certificate(sent, "certificate").names == ("a.example", "10.0.0.7")
    assert read_certificate({"state": "usable", "names": []}, "certificate").names == ()
    assert read_certificate({"state": "usable"}, "certificate").names is None
    many = read_certificate({"state": "usable", "names": ["x" * 999] * 999}, "certificate").names
    assert many == ("x" * LONGEST_NAME,) * MOST_NAMES


def test_every_word_of_the_agent_is_known_here() -> None:
    words = {
        value
        for name, value in vars(provided_certificate).items()
        if name.isupper() and isinstance(value, str)
    }
    assert words == {str(state) for state in CertificateState} - {"not-configured"}


def test_a_long_story_is_cut() -> None:
    read = read_certificate({"state": "missing", "detail": "x" * 99999}, "certificate")
    assert len(read.detail) == LONGEST_DETAIL and read.not_after is None


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ([], "certificate"),
        ({"state": "usable", "names": "x"}, "certificate.names"),
        ({"state": "usable", "names": [1]}, "certificate.names"),
        ({}, "certificate.state"),
        ({"state": "fine"}, "certificate.state"),
        ({"state": ["usable"]}, "certificate.state"),
        ({"state": "usable", "detail": 1}, "certificate.detail"),
        ({"state": "usable", "notAfter": "soon"}, "certificate.notAfter"),
        ({"state": "usable", "notAfter": "2030-01-01"}, "certificate.notAfter"),
        ({"state": "usable", "notAfter": 7}, "certificate.notAfter"),
    ],
)
def test_a_fault_is_named(sent: object, field: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        read_certificate(sent, "certificate")
    assert [violation.field for violation in caught.value.violations] == [field]

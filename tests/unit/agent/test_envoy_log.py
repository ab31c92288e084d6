from __future__ import annotations

import asyncio
import logging

import pytest

from meshmeter.agent.envoy_log import MAX_LINE, EnvoyLog


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_each_line_keeps_its_level(caplog: pytest.LogCaptureFixture) -> None:
    envoy_log = EnvoyLog()
    for line in (
        "[info][main] starting",
        "[warning][config] gRPC config stream closed",
        "[critical][main] error initializing configuration:",
        "  (no level) continues",
        "",
        "[trace][http] deep",
    ):
        envoy_log.line(line)
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.INFO, "main: starting"),
        (logging.WARNING, "config: gRPC config stream closed"),
        (logging.CRITICAL, "main: error initializing configuration:"),
        (logging.CRITICAL, "  (no level) continues"),
        (logging.DEBUG, "http: deep"),
    ]
    assert envoy_log.last_words() == "main: error initializing configuration:\n  (no level) continues"


def test_without_errors_the_last_words_are_the_last_lines() -> None:
    envoy_log = EnvoyLog()
    assert envoy_log.last_words() == "it said nothing"
    for number in range(9):
        envoy_log.line(f"line {number}")
    assert envoy_log.last_words() == "\n".join(f"line {n}" for n in range(4, 9))


def test_secrets_are_taken_out(caplog: pytest.LogCaptureFixture) -> None:
    EnvoyLog(lambda text: text.replace("s3cret", "<token>")).line("[error][config] Bearer s3cret is bad")
    assert caplog.messages == ["config: Bearer <token> is bad"]


PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\nMBMGByqG\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (['  inline_string: "' + PEM.replace("\n", "\\n") + '"'], ['  inline_string: "<private key>\\n"']),
        (
            ["a " + PEM.replace("\n", " ") + " b " + PEM.replace("\n", " ")],
            ["a <private key>  b <private key>"],
        ),
        (
            ["[debug][x] " + PEM.splitlines()[0], *PEM.splitlines()[1:], "  after"],
            ["x: <private key>", "  after"],
        ),
        (PEM.replace("PRIVATE", "RSA PRIVATE").splitlines(), ["<private key>"]),
        ([*PEM.splitlines()[:2], "[info][x] another message"], ["<private key>", "x: another message"]),
        (["-----BEGIN CERTIFICATE-----"], ["-----BEGIN CERTIFICATE-----"]),
    ],
)
def test_private_keys_are_taken_out(
    lines: list[str], told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    envoy_log = EnvoyLog()
    for line in lines:
        envoy_log.line(line)
    assert caplog.messages == told
    assert "MIGH" not in envoy_log.last_words()


async def test_a_stream_is_followed_to_its_end_with_lines_of_any_length(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"[info][a] one\n[info][b] t")
    stream.feed_data(b"wo\n" + b"x" * (MAX_LINE * 20) + b"\n[info][c] \xff\n[info][d] no line end")
    stream.feed_eof()
    await EnvoyLog().follow(stream)
    assert caplog.messages[:2] == ["a: one", "b: two"]
    assert len(caplog.messages[2]) <= MAX_LINE
    assert caplog.messages[3:] == ["c: \ufffd", "d: no line end"]

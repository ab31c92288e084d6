"""What a Content-Type says and what an Accept header gets."""

from __future__ import annotations

import pytest

from meshmeter.exposition.formats import Format, charset, negotiate, response_format, sniff

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("content_type", "format"),
    [
        (None, Format.UNKNOWN),
        ("", Format.UNKNOWN),
        ("text/plain", Format.TEXT),
        ("Text/Plain; Version=0.0.4", Format.TEXT),
        ('application/openmetrics-text; version="1.0.0"; charset=utf-8', Format.OPENMETRICS_1),
        ("application/openmetrics-text;version=2.0.0", Format.UNKNOWN),
        ("text/html", Format.UNKNOWN),
        (";;;==", Format.UNKNOWN),
    ],
)
def test_response_format(content_type: str | None, format: Format) -> None:
    assert response_format(content_type) is format


@pytest.mark.parametrize(
    ("accept", "openmetrics", "answer"),
    [
        (None, True, Format.TEXT),
        ("", True, Format.TEXT),
        ("*/*", True, Format.TEXT),
        (PROMETHEUS_2, False, Format.TEXT),
        (PROMETHEUS_2, True, Format.OPENMETRICS_1),
        (PROMETHEUS_3, False, Format.TEXT_UTF8),
        (PROMETHEUS_3, True, Format.OPENMETRICS_1_UTF8),
        ("application/openmetrics-text", True, Format.OPENMETRICS_1),
        ("application/openmetrics-text;version=0.0.1", True, Format.TEXT),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.9", True, Format.TEXT),
        ("application/openmetrics-text;q=0", True, Format.TEXT),
        ("application/openmetrics-text;q=nan,text/plain", True, Format.OPENMETRICS_1),
        ("application/vnd.google.protobuf", True, Format.TEXT),
    ],
)
def test_negotiate(accept: str | None, openmetrics: bool, answer: Format) -> None:
    available = [Format.TEXT, *([Format.OPENMETRICS_0] if openmetrics else [])]
    assert negotiate(accept, available) is answer


def test_charset_and_sniffing() -> None:
    assert charset("text/plain; charset=ISO-8859-1") == "iso-8859-1"
    assert charset(None) == "utf-8"
    assert sniff(b"a 1\n# EOF\n\n").openmetrics
    assert sniff(b"# EOF\na 1\n") is Format.TEXT

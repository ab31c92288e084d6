"""What a Content-Type says and what an Accept header gets."""

from __future__ import annotations

import pytest

from meshmeter.exposition.formats import Format, charset, negotiate, response_format, sniff
from meshmeter.exposition.names import Escaping

# The headers as the programs send them.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_NATIVE = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
    "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,"
    "application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)
PROMETHEUS_3_NATIVE = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF_THEN_TEXT = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
    "text/plain;version=0.0.4;q=0.6,*/*;q=0.5"
)
PROMETHEUS_3_DOTS = PROMETHEUS_3.replace("allow-utf-8", "dots")


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
        (PROMETHEUS_2_NATIVE, False, Format.TEXT),
        (PROMETHEUS_2_NATIVE, True, Format.OPENMETRICS_1),
        (PROMETHEUS_3, False, Format.TEXT_UTF8),
        (PROMETHEUS_3, True, Format.OPENMETRICS_1_UTF8),
        (PROMETHEUS_3_NATIVE, False, Format.TEXT_UTF8),
        (PROMETHEUS_3_NATIVE, True, Format.OPENMETRICS_1_UTF8),
        (PROTOBUF_THEN_TEXT, True, Format.TEXT),
        (PROMETHEUS_3_DOTS, False, Format.TEXT_DOTS),
        (PROMETHEUS_3_DOTS, True, Format.OPENMETRICS_1_DOTS),
        (PROMETHEUS_3.replace("allow-utf-8", "values"), True, Format.OPENMETRICS_1_VALUES),
        (PROMETHEUS_3.replace("allow-utf-8", "values"), False, Format.TEXT_VALUES),
        (PROMETHEUS_3.replace("allow-utf-8", "underscores"), True, Format.OPENMETRICS_1_UNDERSCORES),
        (PROMETHEUS_3.replace("allow-utf-8", "underscores"), False, Format.TEXT_UNDERSCORES),
        (PROMETHEUS_3.replace("allow-utf-8", "rot13"), True, Format.OPENMETRICS_1),
        (PROMETHEUS_3.replace("allow-utf-8", "rot13"), False, Format.TEXT),
        ('Text/Plain; Version="1.0.0"; Escaping="Dots"', False, Format.TEXT_DOTS),
        ("text/plain;escaping=dots;q=0.2,text/plain;escaping=values;q=0.3", False, Format.TEXT_VALUES),
        ("text/plain,text/plain;version=1.0.0;escaping=dots", False, Format.TEXT_DOTS),
        ("text/plain;version=0.0.4,text/plain;version=1.0.0;escaping=dots;q=0.9", False, Format.TEXT),
        ("text/plain;q=0;escaping=dots", False, Format.TEXT),
        ("text/plain;version=2.0.0;escaping=dots", False, Format.TEXT),
        ("application/openmetrics-text;version=1.0.0;escaping=dots,*/*;q=0.1", False, Format.TEXT_DOTS),
        ("application/openmetrics-text;escaping=dots,text/plain;q=0.1", False, Format.TEXT),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", True, Format.TEXT),
        ("application/openmetrics-text;q=0.5,*/*;q=0.9", True, Format.TEXT),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.3,*/*;q=0.9", True, Format.OPENMETRICS_1),
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


def test_what_formats_say_of_names() -> None:
    assert (Format.TEXT.scheme, Format.TEXT.escaping) == (None, Escaping.UNDERSCORES)
    for format in Format:
        if format.scheme is not None:
            assert format.escaping is format.scheme
            assert format.endswith(f"; version=1.0.0; charset=utf-8; escaping={format.scheme}")


def test_charset_and_sniffing() -> None:
    assert charset("text/plain; charset=ISO-8859-1") == "iso-8859-1"
    assert charset(None) == "utf-8"
    assert sniff(b"a 1\n# EOF\n\n").openmetrics
    assert sniff(b"# EOF\na 1\n") is Format.TEXT

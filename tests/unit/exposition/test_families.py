"""Types and sample names of families."""

from __future__ import annotations

from meshmeter.exposition.families import (
    Role,
    Type,
    openmetrics_claims,
    openmetrics_name,
    parse_type,
    shape,
)


def test_types_of_the_formats() -> None:
    assert parse_type(b"untyped", openmetrics=False) is Type.UNKNOWN
    assert parse_type(b" Gauge ", openmetrics=False) is Type.GAUGE
    assert parse_type(b"info", openmetrics=False) is None
    assert parse_type(b"info", openmetrics=True) is Type.INFO
    assert parse_type(b"nonsense", openmetrics=True) is None


def test_a_counter_has_one_name_in_both_formats() -> None:
    text = shape(b"a_total", Type.COUNTER, openmetrics=False)
    openmetrics = shape(b"a", Type.COUNTER, openmetrics=True)
    assert text.name == openmetrics.name == b"a_total"
    assert openmetrics.roles == {b"a_total": Role.VALUE, b"a_created": Role.CREATED}
    assert shape(b"a_total", Type.COUNTER, openmetrics=True) == openmetrics
    assert openmetrics_name(b"a_total", Type.COUNTER) == b"a"


def test_sample_names() -> None:
    assert set(shape(b"h", Type.HISTOGRAM, openmetrics=False).roles) == {b"h_bucket", b"h_sum", b"h_count"}
    assert set(shape(b"s", Type.SUMMARY, openmetrics=True).roles) == {
        b"s",
        b"s_sum",
        b"s_count",
        b"s_created",
    }
    assert set(shape(b"i", Type.INFO, openmetrics=True).roles) == {b"i_info"}
    assert set(shape(b"g", Type.GAUGE, openmetrics=True).roles) == {b"g"}


def test_claims() -> None:
    assert openmetrics_claims(b"a_total", Type.COUNTER) == {b"a", b"a_total", b"a_created"}
    assert openmetrics_claims(b"b_info", Type.INFO) == {b"b", b"b_info"}
    assert openmetrics_claims(b"g", Type.GAUGE) == {b"g"}
    assert b"h_gsum" in openmetrics_claims(b"h", Type.GAUGEHISTOGRAM)

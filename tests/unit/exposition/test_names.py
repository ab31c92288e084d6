"""What becomes of names that not every Prometheus knows."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from prometheus_client.openmetrics.exposition import escape_label_name, escape_metric_name

from meshmeter.exposition.names import LEGACY_LABEL, LEGACY_NAME, Escaping, escape_label, escape_name

SCHEMES = [Escaping.UNDERSCORES, Escaping.DOTS, Escaping.VALUES]


@pytest.mark.parametrize(
    ("name", "underscores", "dots", "values"),
    [
        ("http.dür_", "http_d_r_", "http_dot_d__r__", "U__http_2e_d_fc_r__"),
        ("mysystem.prod.west.cpu.load", "mysystem_prod_west_cpu_load",
         "mysystem_dot_prod_dot_west_dot_cpu_dot_load", "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load"),
        ("花火", "__", "____", "U___82b1__706b_"),
        ("1a", "_a", "__a", "U___31_a"),
        ("a 😀", "a__", "a____", "U__a_20__1f600_"),
        ("a_b:c1", "a_b:c1", "a_b:c1", "a_b:c1"),
        ("U__a_2e_b", "U__a_2e_b", "U__a_2e_b", "U__a_2e_b"),
        ("", "", "", ""),
    ],
)  # fmt: skip
def test_metric_names(name: str, underscores: str, dots: str, values: str) -> None:
    made = [escape_name(name.encode(), scheme).decode() for scheme in SCHEMES]
    assert made == [underscores, dots, values]
    assert escape_name(name.encode(), Escaping.UTF8).decode() == name


def test_a_label_has_no_colons() -> None:
    made = [escape_label(b"a:b", scheme) for scheme in SCHEMES]
    assert made == [b"a_b", b"a__b", b"U__a_3a_b"]
    assert escape_label(b"a_b", Escaping.DOTS) == b"a_b"
    assert escape_label(b"a:b", Escaping.UTF8) == b"a:b"


@given(st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("_:.aZ09")), min_size=1))
def test_as_the_client_library_for_python_has_it(name: str) -> None:
    assume(not name.endswith("\n"))  # which the library takes for a plain name
    for scheme in SCHEMES:
        metric, label = escape_name(name.encode(), scheme), escape_label(name.encode(), scheme)
        assert LEGACY_NAME.fullmatch(metric) and LEGACY_LABEL.fullmatch(label)
        if not LEGACY_NAME.fullmatch(name.encode()):
            assert metric.decode() == escape_metric_name(name, scheme.value)
        if not LEGACY_LABEL.fullmatch(name.encode()):
            assert label.decode() == escape_label_name(name, scheme.value)

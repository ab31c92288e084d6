from __future__ import annotations

from meshmeter.errors import Violation
from meshmeter.resources.faults import MOST_FAULTS, Faults


def test_a_place_that_could_not_be_read_is_not_reported_again() -> None:
    faults = Faults()
    faults.add("metrics.conf.port", "must be a whole number", report_at="metrics.conf")

    faults.add_content(
        [
            Violation("metrics.conf.port", "port must be in the range [1, 65535]"),
            Violation("metrics", "is empty"),
            Violation("metrics.conf.path", "is wrong"),
        ]
    )

    assert faults.violations == [
        Violation("metrics.conf", "must be a whole number"),
        Violation("metrics.conf.path", "is wrong"),
    ]


def test_the_list_ends_where_nobody_reads_on() -> None:
    faults = Faults()
    for number in range(MOST_FAULTS + 50):
        faults.add(f"a[{number}]", "is wrong")
    faults.add_content(Violation(f"b[{number}]", "is wrong") for number in range(50))

    assert faults.full
    assert len(faults.violations) == MOST_FAULTS + 1
    assert "only the first 200 faults are listed" in faults.violations[-1].reason

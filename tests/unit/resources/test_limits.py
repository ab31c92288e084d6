"""How large resources may be."""

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.resources.dataplane import DataplaneSpec
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits, size_violations

SMALL = Limits(inbounds=2, outbounds=2, tags=2, aggregate_entries=2)


def tags(number: int, start: int = 0) -> dict[str, str]:
    return {f"t{start + n}": "x" for n in range(number)}


def entries(number: int) -> dict[str, Any]:
    return {"aggregate": [{"name": f"e{n}", "port": 1} for n in range(number)]}


@pytest.mark.parametrize(
    ("spec", "field", "number", "setting"),
    [
        ({"networking": {"inbound": [{}] * 3}}, "networking.inbound", 3, "max_inbounds"),
        ({"networking": {"outbound": [{}] * 4}}, "networking.outbound", 4, "max_outbounds"),
        ({"networking": {"inbound": [{"tags": tags(3)}]}}, "networking.inbound[0].tags", 3, "max_tags"),
        ({"networking": {"outbound": [{"tags": tags(3)}]}}, "networking.outbound[0].tags", 3, "max_tags"),
        ({"networking": {"gateway": {"tags": tags(3)}}}, "networking.gateway.tags", 3, "max_tags"),
        (
            {"networking": {"inbound": [{"tags": tags(2)}, {"tags": tags(2, 2)}]}},
            "networking",
            4,
            "max_tags",
        ),
        ({"metrics": {"conf": entries(3)}}, "metrics.conf.aggregate", 3, "max_aggregate_entries"),
        ({"metrics": {"conf": {"tags": tags(3)}}}, "metrics.conf.tags", 3, "max_tags"),
        (
            {"metrics": {"backends": [{}, {"conf": entries(3)}]}},
            "metrics.backends[1].conf.aggregate",
            3,
            "max_aggregate_entries",
        ),
    ],
)
def test_too_much_names_field_number_limit_and_setting(
    spec: dict[str, Any], field: str, number: int, setting: str
) -> None:
    for document, at in (({"type": "T", **spec}, field), ({"kind": "T", "spec": spec}, f"spec.{field}")):
        (found,) = size_violations(document, SMALL)
        assert found.field == at
        assert f"has {number} " in found.reason and "at most 2" in found.reason
        assert setting in found.reason and "--" + setting.replace("_", "-") in found.reason


def test_what_is_just_small_enough_passes() -> None:
    document = {
        "networking": {"inbound": [{"tags": tags(2)}] * 2, "outbound": [{"tags": tags(2, 7)}] * 2},
        "metrics": {"conf": entries(2) | {"tags": tags(2)}},
    }
    assert list(size_violations(document, SMALL)) == []


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "x",
        7,
        {"networking": 1},
        {"networking": {"inbound": "x" * 999}},
        {"metrics": {"backends": {}}},
    ],
)
def test_another_shape_is_for_others_to_tell(document: object) -> None:
    assert list(size_violations(document)) == []


def test_a_spec_that_is_stored_is_judged_as_well() -> None:
    spec = DataplaneSpec.model_validate({"networking": {"inbound": [{"port": 1}] * 257}})
    (found,) = size_violations(spec, DEFAULT_LIMITS)
    assert found.field == "networking.inbound"

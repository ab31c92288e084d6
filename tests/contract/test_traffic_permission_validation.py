"""What a TrafficPermission may say."""

from __future__ import annotations

from collections import Counter

from contract.conformance import Case, vectors
from meshmeter.errors import InvalidResource
from meshmeter.resources.codec import decode


@vectors("traffic-permission", "validate")
def test_validation(case: Case) -> None:
    found: Counter[tuple[str, str]] = Counter()
    try:
        decode({"type": "TrafficPermission", "mesh": "default", "name": "tp-1", **case.data["spec"]})
    except InvalidResource as refused:
        found = Counter((violation.field, violation.reason) for violation in refused.violations)

    assert found == Counter((v["field"], v["message"]) for v in case.data["violations"])
    assert case.data["valid"] == (not found)

"""What a Dataplane may say."""

from __future__ import annotations

from collections import Counter
from typing import Any

from contract.conformance import Case, vectors
from meshmeter.errors import InvalidResource
from meshmeter.resources.codec import decode


def faults(document: dict[str, Any]) -> Counter[tuple[str, str]]:
    try:
        decode(document)
    except InvalidResource as refused:
        return Counter((violation.field, violation.reason) for violation in refused.violations)
    return Counter()


@vectors("dataplane-validation", "validate-dataplane")
def test_validation(case: Case) -> None:
    found = faults(case.data["dataplane"])

    assert found == Counter((v["field"], v["message"]) for v in case.data["violations"])
    assert case.data["valid"] == (not found)

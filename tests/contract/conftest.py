"""Every contract test gets a `case`; without a conformance tree it is skipped, or fails in CI."""

from __future__ import annotations

import pytest

from contract.conformance import Case, need


@pytest.fixture(autouse=True)
def _tree_is_there(request: pytest.FixtureRequest) -> None:
    case = getattr(request.node, "callspec", None)
    if case is not None and isinstance(case.params.get("case"), Case):
        need(case.params["case"])

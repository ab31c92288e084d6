"""The resource API, fuzzed from its own description: whatever comes, the answer is one that is described."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from meshmeter.controlplane.openapi import description
from support.api_server import ServedApi, serve_in_thread

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApi]:
    with serve_in_thread(tmp_path_factory.mktemp("fuzz")) as served:
        yield served


schema = schemathesis.openapi.from_dict(description())


@schema.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_described(case: Case, api: ServedApi) -> None:
    case.call_and_validate(
        base_url=api.url, headers={"Authorization": f"Bearer {api.admin_token}"}, checks=CHECKS
    )

"""The resource API, fuzzed from its own description: whatever comes, the answer is one that is described.

Run by test_api_fuzz.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from requests import Session
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from meshmeter.cli.client import ApiClient
from meshmeter.cli.connection import Connection
from meshmeter.controlplane.api.openapi import description
from support.api_server import ServedApi, serve_in_thread

MESH = "fuzzed"

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApi]:
    """With a Mesh that nothing can delete, because it has a Dataplane that nothing deletes."""
    with serve_in_thread(tmp_path_factory.mktemp("fuzz")) as served:
        client = ApiClient(Connection(served.url, served.admin_token))
        stays = {"type": "Dataplane", "mesh": MESH, "name": "stays", "networking": {"address": "10.0.0.1"}}
        client.post("/_apply", {"documents": [{"type": "Mesh", "name": MESH}, stays]})
        yield served


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Keeps its connection: thousands of requests are made."""
    with Session() as kept:
        yield kept


schema = schemathesis.openapi.from_dict(description()).include(method=os.environ["FUZZED_METHODS"].split())


def aim(case: Case) -> None:
    """Let about every other request be about a mesh that exists and a resource that may: chance never finds them."""
    path = case.path_parameters
    if "mesh" not in path or len(path["mesh"]) % 2:
        return
    path["mesh"] = MESH
    if "name" in path:
        path["name"] = "stays" if case.method.upper() == "GET" else "aimed"
    body = case.body
    if isinstance(body, dict):
        head = body["metadata"] if isinstance(body.get("metadata"), dict) else body
        head["name"], body["mesh"] = "aimed", MESH


@schema.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_described(case: Case, api: ServedApi, session: Session) -> None:
    aim(case)
    case.call_and_validate(
        base_url=api.url,
        headers={"Authorization": f"Bearer {api.admin_token}"},
        checks=CHECKS,
        session=session,
    )

"""The resource API, fuzzed from its own description: whatever comes, the answer is one that is described.

Run by test_api_fuzz.py. What each operation answered is written to the file that FUZZED_ANSWERS names.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from meshmeter.controlplane.api.examples import ADMIN_TOKEN, DOCUMENTS, SECRET
from meshmeter.controlplane.api.openapi import description
from meshmeter.controlplane.api.parameters import CONDITIONS
from support.api_server import ServedApi, serve_in_thread

EMPTY = {"type": "Mesh", "name": "empty"}
"""The Mesh that may be deleted."""

PREPARED = [*DOCUMENTS.values(), EMPTY]

SECRET_PATH = f"/meshes/{SECRET['mesh']}/secrets/{SECRET['name']}"

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


class Target:
    """The served API, where the examples of the description are kept up to work."""

    def __init__(self, served: ServedApi, folder: Path):
        self.url = served.url
        self.answers: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._token = folder / "admin.token"

    @property
    def admin_token(self) -> str:
        """One that is good, also after the key was changed."""
        return self._token.read_text().strip()

    def client(self) -> ApiClient:
        return ApiClient(Connection(self.url, self.admin_token))

    def prepare(self) -> None:
        """Store what the examples are about, wherever it was deleted or changed."""
        client = self.client()
        client.post("/_apply", {"documents": PREPARED})
        client.put(SECRET_PATH, SECRET)

    def issued_token(self) -> str:
        """A token that nobody uses."""
        return str(self.client().post("/tokens/admin", ADMIN_TOKEN))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    with serve_in_thread(folder) as served:
        target = Target(served, folder)
        target.prepare()
        yield target
    Path(os.environ["FUZZED_ANSWERS"]).write_text(json.dumps(target.answers))


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Keeps its connection: thousands of requests are made."""
    with Session() as kept:
        yield kept


schema = schemathesis.openapi.from_dict(description()).include(method=os.environ["FUZZED_METHODS"].split())


def aim(case: Case, target: Target) -> None:
    """Let about every other request be about what exists, with a body that is nearly an example: chance never finds
    what depends on several fields."""
    operation = case.operation.definition.raw
    lengths = sum(len(str(value)) for value in (*case.path_parameters.values(), case.body))
    if lengths % 2:
        return
    for parameter in operation["parameters"]:
        if parameter["in"] == "path" and "examples" in parameter["schema"]:
            case.path_parameters[parameter["name"]] = parameter["schema"]["examples"][0]
    for condition in CONDITIONS:
        case.headers.pop(condition.name, None)
    if case.method == "DELETE":
        target.prepare()
        if operation["operationId"] == "deleteMesh":
            case.path_parameters["name"] = EMPTY["name"]
    if operation["operationId"] == "revokeToken":
        case.body = {"token": target.issued_token()}
    elif isinstance(case.body, dict):
        media = operation["requestBody"]["content"][case.media_type]
        case.body = near(media["example"], case.body, lengths)


def near(example: dict[str, Any], body: dict[str, Any], chance: int) -> dict[str, Any]:
    """The example, with at most one more field."""
    others = [None, *sorted(body.keys() - example.keys())]
    other = others[chance // 2 % len(others)]
    return example if other is None else {**example, other: body[other]}


@schema.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_described(case: Case, target: Target, session: Session) -> None:
    aim(case, target)
    response = case.call_and_validate(
        base_url=target.url,
        headers={"Authorization": f"Bearer {target.admin_token}"},
        checks=CHECKS,
        session=session,
        timeout=60,
    )
    target.answers[case.operation.definition.raw["operationId"]][response.status_code] += 1

"""That the API understands these parameters is tested by fuzzing (tests/integration/test_api_fuzz.py)."""

from __future__ import annotations

from aiohttp.test_utils import make_mocked_request

from meshmeter.controlplane.api.list_filters import matcher
from meshmeter.controlplane.api.paging import page_size
from meshmeter.controlplane.api.parameters import (
    CONDITIONS,
    DATAPLANE_FILTERS,
    FILTERS,
    PROXY,
    in_path,
    query,
)
from meshmeter.controlplane.api.preconditions import expected_version


def test_names_in_the_path_have_an_example_and_a_limit() -> None:
    assert in_path("name", "Whose.", "backend-1").schema["examples"] == ["backend-1"]
    assert [(each.name, each.place) for each in PROXY] == [("mesh", "path"), ("name", "path")]
    assert query("q", "What.", enum=["a"]).schema == {"type": "string", "enum": ["a"]}


def test_the_filters_that_are_described_are_those_that_are_read() -> None:
    ways = {each.name: each for each in DATAPLANE_FILTERS}
    assert set(ways) - {each.name for each in FILTERS} == {"tag", "gateway"}
    for word in ways["gateway"].schema["enum"]:
        matcher([("gateway", word), ("filter[labels.team]", "a"), ("tag", "a:b")])
    assert page_size(str(ways["size"].schema["maximum"])) == ways["size"].schema["maximum"]
    assert page_size(None) == ways["size"].schema["default"]


def test_the_conditions_that_are_described_are_those_that_are_read() -> None:
    for condition in CONDITIONS:
        headers = {condition.name: condition.schema.get("const", '"1"')}
        assert expected_version(make_mocked_request("PUT", "/", headers=headers)) is not None

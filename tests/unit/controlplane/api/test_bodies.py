from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import pytest
from pydantic import BeforeValidator, Field

from meshmeter.controlplane.api.bodies import AnswerBody, Nothing, RequestBody, Time
from meshmeter.errors import InvalidResource


def _even(value: object) -> int:
    if not isinstance(value, int) or value % 2:
        raise ValueError(f"{value} is not even")
    return value


Even = Annotated[int, BeforeValidator(_even)]


class Asked(RequestBody):
    one_number: Even
    numbers: list[Even] = Field(default=[])
    by_name: dict[str, list[Even]] = Field(default={})


def faults(body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidResource) as refused:
        Asked.read(body, "Not this")
    assert refused.value.title == "Not this"
    return [(fault.field, fault.reason) for fault in refused.value.violations]


def test_a_request_is_read_by_the_names_on_the_wire() -> None:
    asked = Asked.read({"oneNumber": 2, "numbers": [4]})
    assert (asked.one_number, asked.numbers, asked.by_name) == (2, [4], {})


def test_every_fault_is_named_with_its_place_and_unknown_fields_come_first() -> None:
    body = {"oneNumber": 1, "numbers": [2, 3], "byName": {"a": [5]}, "one_number": 2, "x" * 300: 0}
    known = "unknown field, known are oneNumber, numbers, byName"
    assert faults(body) == [
        ("one_number", known),
        ("x" * 253, known),
        ("oneNumber", "1 is not even"),
        ("numbers[1]", "3 is not even"),
        ('byName["a"]', "5 is not even"),
    ]


def test_a_required_field_that_is_missing_is_put_by_its_own_validator() -> None:
    assert faults({}) == faults({"oneNumber": None}) == [("oneNumber", "None is not even")]


class Answered(AnswerBody):
    at_last: Time
    text: str = ""
    more: str | None = None


def test_an_answer_has_what_was_set_in_the_order_of_the_model() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=timezone(timedelta(hours=1)))
    answer = Answered(more=None, at_last=moment).response(201, {"ETag": '"1"'})
    assert answer.text == '{"atLast": "2026-01-02T02:04:05Z", "more": null}'
    assert (answer.status, answer.headers["ETag"]) == (201, '"1"')
    assert answer.content_type == "application/json"


def test_nothing() -> None:
    assert json.loads(Nothing().response().text or "") == {}
    assert Answered(at_last=datetime.now(UTC)).response().status == 200

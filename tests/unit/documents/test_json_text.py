from __future__ import annotations

import json

import pytest

from meshmeter.documents.json_text import DuplicateKey, read_json


def test_values() -> None:
    assert read_json('{"a": [1, 1e3, "\\ud83d\\ude00", null]}', deepest=4) == {
        "a": [1, 1000.0, "\U0001f600", None]
    }


@pytest.mark.parametrize("text", ["", "{a: 1}", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_json(text, deepest=64)


def test_nesting_is_counted_as_in_yaml() -> None:
    assert read_json("[[[]]]", deepest=2) == [[[]]]
    for text in ("[[[1]]]", "[[[[]]]]"):
        with pytest.raises(ValueError, match="nested"):
            read_json(text, deepest=2)


def test_a_key_that_is_there_twice_is_named() -> None:
    with pytest.raises(DuplicateKey, match=r"^b$"):
        read_json(json.dumps({"a": 1, "b": 2})[:-1] + ', "b": 3}', deepest=4)

from __future__ import annotations

from typing import Any

import pytest

from meshmeter.injector.objects import at, mapping, port, sequence, text, texts

POD: Any = {"metadata": {"name": "web", "labels": {"b": "2", "a": "1", "n": 3, 4: "x"}}, "list": [1], "n": 80}


def test_what_is_there() -> None:
    assert text(POD, "metadata", "name") == "web"
    assert list(texts(POD, "metadata", "labels").items()) == [("a", "1"), ("b", "2")]
    assert sequence(POD, "list") == [1]
    assert mapping(POD, "metadata")["name"] == "web"
    assert at(POD, "n") == port(POD, "n") == 80


@pytest.mark.parametrize("holder", [None, 5, "text", [], {"metadata": None}, {"metadata": [{}]}])
def test_what_has_another_shape_is_not_there(holder: object) -> None:
    assert text(holder, "metadata", "name") == ""
    assert texts(holder, "metadata") == mapping(holder, "metadata") == {}
    assert sequence(holder, "metadata", "list") == ()
    assert at(holder, "metadata", "name") is None


@pytest.mark.parametrize("value", [0, -1, 65536, True, 80.0, "80", None, 1 << 64])
def test_no_port(value: object) -> None:
    assert port({"port": value}, "port") is None

from __future__ import annotations

import pytest

from meshmeter.agent.variables import substitute, unused
from meshmeter.errors import InvalidResource


def test_every_reference_is_replaced() -> None:
    def check(text: str, want: str, **variables: str) -> None:
        assert substitute(text, variables) == want

    check("name: {{ name }}", "name: web", name="web")
    check("name: {{name}}", "name: web", name="web")
    check("{{ a }}-{{ b }}-{{ a }}", "1-2-1", a="1", b="2")
    check("no references", "no references", a="1")
    check("{single} {{ }", "{single} {{ }")
    check("{{ a }}", "{{ b }}", a="{{ b }}", b="never")  # values are not looked into


def test_every_reference_without_a_value_is_named_with_its_line_and_what_was_given() -> None:
    with pytest.raises(InvalidResource) as caught:
        substitute("name: {{ nam }}\nport: {{ port }}\nagain: {{ nam }}", {"name": "web", "host": "h"})
    assert [str(v) for v in caught.value.violations] == [
        "line 1: variable 'nam' has no value (given: host, name); use --var nam=VALUE",
        "line 2: variable 'port' has no value (given: host, name); use --var port=VALUE",
    ]


def test_an_empty_reference_is_a_fault() -> None:
    with pytest.raises(InvalidResource, match=r"variable '' has no value \(given: none\)"):
        substitute("{{ }}", {})


def test_unused_variables_are_found() -> None:
    assert unused("{{ a }}", {"a": "1", "c": "3", "b": "2"}) == ["b", "c"]
    assert unused("{{ a }}", {"a": "1"}) == []

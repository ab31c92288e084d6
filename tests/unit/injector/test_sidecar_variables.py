from __future__ import annotations

import pytest

from meshmeter.errors import InjectionRefused
from meshmeter.injector.sidecar_variables import ANNOTATION, with_variables

POD_NAME = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


def test_without_any_the_container_s_own_are_in_the_order_of_their_names() -> None:
    own = [POD_NAME, {"name": "A", "value": "1"}]

    assert with_variables(own, {}, {"docs": "A=2"}) == [{"name": "A", "value": "1"}, POD_NAME]


def test_the_annotation_stands_above_the_configuration_and_that_above_the_container_s_own() -> None:
    own = [{"name": name, "value": "own"} for name in "ABC"]
    configured = {"B": "configured", "C": "configured", "D": "configured"}

    variables = with_variables(own, configured, {ANNOTATION: "C=annotated; E=;D=a:b"})

    assert {variable["name"]: variable["value"] for variable in variables} == {
        "A": "own",
        "B": "configured",
        "C": "annotated",
        "D": "a:b",
        "E": "",
    }


def test_a_reference_can_be_overridden() -> None:
    assert with_variables([POD_NAME], {}, {ANNOTATION: "POD_NAME=x"}) == [{"name": "POD_NAME", "value": "x"}]
    assert POD_NAME["name"] == "POD_NAME" and "value" not in POD_NAME


@pytest.mark.parametrize("value", ["", "A", "A=1;", "A=1;B", "A=b=c", "=1", " =1"])
def test_what_is_no_list_of_pairs_refuses_the_pod(value: str) -> None:
    with pytest.raises(InjectionRefused) as refused:
        with_variables([], {}, {ANNOTATION: value})

    expected = (
        'invalid format. Map in "kuma.io/sidecar-env-vars" has to be provided in the following format: '
        "key1=value1;key2=value2"
    )
    assert str(refused.value).startswith(expected)

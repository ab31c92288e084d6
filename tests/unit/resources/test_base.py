from __future__ import annotations

import pytest
from pydantic import ValidationError

from meshmeter.resources.base import Model, Port


class Example(Model):
    service_port: Port | None = None
    """A port."""


def test_fields_are_camel_case_on_the_wire() -> None:
    assert Example.model_validate({"servicePort": 1}) == Example(service_port=1)


def test_a_model_cannot_be_changed_and_has_no_other_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Example(service_port=1).service_port = 2
    with pytest.raises(ValidationError, match="Extra inputs"):
        Example.model_validate({"servicePrt": 1})


def test_a_field_s_docstring_describes_it_in_the_schema() -> None:
    assert Example.model_json_schema()["properties"]["servicePort"]["description"] == "A port."

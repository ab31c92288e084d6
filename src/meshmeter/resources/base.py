"""The base of all spec models: frozen, camelCase on the wire, unknown fields refused (deviations D6).

The docstring under a field is its description in the JSON Schema, so every field has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel

Port = Annotated[
    int,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                {"type": "string", "pattern": "^[0-9]{1,5}$"},
            ]
        }
    ),
]
"""A TCP port. A number written as text ("1234") is accepted, as Kuma does (kuma-facts 2.2)."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Marks a string that may have several lines, and more characters than other values."""

    longest: int


class Model(BaseModel):
    """A message of a spec. `None` means "not written"; whatever is not None was set by the user."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    opaque: ClassVar[bool] = False
    """True for a message that Kuma carries untyped: a wrong type anywhere inside is reported at the message
    itself (kuma-facts 2.2)."""


class Spec(Model):
    """The spec of one kind of resource."""

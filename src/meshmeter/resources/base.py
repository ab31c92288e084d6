"""The base of all spec models: frozen, camelCase on the wire, unknown fields refused (deviations D6)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A message of a spec. `None` means "not written"; whatever is not None was set by the user."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class Spec(Model):
    """The spec of one kind of resource."""

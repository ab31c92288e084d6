"""Bodies of the resource API: models that a request is read by and an answer is made of, and described by.

A request is refused with every fault at once. What a validator of a field raises as ValueError is the reason as the
client reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from aiohttp import web
from pydantic import BaseModel, ConfigDict, PlainSerializer, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources import dataplane
from meshmeter.resources.kinds import KINDS
from meshmeter.times import rfc3339

DOCUMENT = "x-document"
"""In the schema of a model: here stands a document of the kind of this name."""

DataplaneDocument = Annotated[dict[str, Any], WithJsonSchema({DOCUMENT: dataplane.KIND})]
AnyDocument = Annotated[Any, WithJsonSchema({"anyOf": [{DOCUMENT: kind} for kind in KINDS]})]

LONGEST_NAME = 253
"""Characters of the name of an unknown field that are repeated to whoever sent it."""


class RequestBody(BaseModel):
    """What a client may send. A required field that is missing is given to its validator as None, as null is."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        use_attribute_docstrings=True,
        arbitrary_types_allowed=True,
    )

    @classmethod
    def read(
        cls, body: Mapping[str, Any], title: str = "Resource is not valid", context: object = None
    ) -> Self:
        """The request in a JSON object; validators get `context`. Raises InvalidResource with this title."""
        missing = {
            field.alias or name: None for name, field in cls.model_fields.items() if field.is_required()
        }
        together = list(cls.faults_together(body))
        try:
            asked = cls.model_validate({**missing, **body}, context=context)
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False)
            errors.sort(key=lambda error: error["type"] != "extra_forbidden")
            raise InvalidResource([*map(cls._violation, errors), *together], title) from exc
        if together:
            raise InvalidResource(together, title)
        return asked

    @classmethod
    def faults_together(cls, body: Mapping[str, Any]) -> Iterable[Violation]:
        """What is wrong with several fields together, whatever each is."""
        return ()

    @classmethod
    def _violation(cls, error: ErrorDetails) -> Violation:
        if error["type"] == "extra_forbidden":
            known = ", ".join(field.alias or name for name, field in cls.model_fields.items())
            return Violation(str(error["loc"][0])[:LONGEST_NAME], f"unknown field, known are {known}")
        reason = error.get("ctx", {}).get("error", error["msg"])
        return Violation(_place(error["loc"]), str(reason))


def _time(moment: datetime) -> str:
    return rfc3339(moment)


Time = Annotated[datetime, PlainSerializer(_time)]
"""Answered in UTC, to the second."""


class AnswerBody(BaseModel):
    """What is answered: the fields that were set, in the order of the model."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )

    def response(self, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        """The answer with this body."""
        content = self.model_dump(by_alias=True, exclude_unset=True)
        return web.json_response(content, status=status, headers=headers)


class Nothing(AnswerBody):
    """`{}`."""

    model_config = ConfigDict(json_schema_extra={"maxProperties": 0})


def _place(loc: tuple[int | str, ...]) -> str:
    """`meshes[1]`, `tags["a"]`: of the values of a key, which one is not said."""
    field, *inner = loc
    if not inner:
        return str(field)
    return f"{field}[{inner[0]}]" if isinstance(inner[0], int) else f'{field}["{inner[0][:LONGEST_NAME]}"]'

"""What is asked about tokens, and what is answered (deviations D24)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema

from meshmeter.controlplane.api.bodies import AnswerBody, RequestBody, Time
from meshmeter.durations import parse_duration
from meshmeter.errors import MeshNotFound, Violation
from meshmeter.resources.syntax import tag_value_fault
from meshmeter.store.token_records import TokenRecord

LONGEST_VALIDITY = timedelta(days=3650)

LONGEST_TEXT = 253

LONGEST_TOKEN = 16 << 10
"""Characters of a token that is to be revoked."""


def is_text(value: object, longest: int = LONGEST_TEXT) -> bool:
    """Whether it is a text as every field of a request may be one; it may be empty."""
    return isinstance(value, str) and len(value) <= longest and value.isprintable()


def _text(longest: int) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, str) and is_text(value, longest):
            return value
        raise ValueError(f"must be a text of at most {longest} printable characters")

    return read


def _named(value: object) -> str:
    if text := _text(LONGEST_TEXT)(value):
        return text
    raise ValueError("cannot be empty")


def _of_mesh(value: object, info: ValidationInfo) -> str:
    """The name of a mesh that exists; which do is the context."""
    name = _named(value)
    if name not in (info.context or ()):
        raise ValueError(str(MeshNotFound(name)))
    return name


def _service(value: object) -> str:
    service = _text(LONGEST_TEXT)(value)
    if reason := tag_value_fault(service):
        raise ValueError(reason)
    return service


def _names(value: object) -> list[Any]:
    if value is None or isinstance(value, list):
        return value or []
    raise ValueError("must be a list of texts")


def _tags(value: object) -> dict[str, Any]:
    if value is None or isinstance(value, dict):
        return value or {}
    raise ValueError("must map each tag to a list of values")


def _values(value: object) -> list[Any]:
    """A single value may stand without a list."""
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise ValueError("must have at least one value")
    return listed


def _validity(value: object) -> timedelta | None:
    if value in (None, ""):
        return None
    try:
        valid_for = timedelta(seconds=parse_duration(value)) if isinstance(value, str) else timedelta()
    except (ValueError, OverflowError):
        valid_for = timedelta()
    if not timedelta() < valid_for <= LONGEST_VALIDITY:
        raise ValueError("must be a duration such as 24h or 30d, of at most ten years")
    return valid_for


def _overlap(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("must be true or false")


Text = Annotated[str, BeforeValidator(_text(LONGEST_TEXT)), Field(max_length=LONGEST_TEXT)]
Named = Annotated[str, BeforeValidator(_named), Field(min_length=1, max_length=LONGEST_TEXT)]
MeshName = Annotated[
    str, BeforeValidator(_of_mesh), Field(min_length=1, max_length=LONGEST_TEXT, examples=["default"])
]
Tags = Annotated[
    dict[Named, Annotated[list[Named], BeforeValidator(_values), Field(min_length=1)]], BeforeValidator(_tags)
]
Validity = Annotated[timedelta | None, BeforeValidator(_validity), WithJsonSchema({"type": "string"})]
"""None: not said."""


def _for(default: str) -> Any:
    return Field(default=None, description=f"Lifetime; without one, {default}.", examples=["24h", "30d"])


class DataplaneTokenRequest(RequestBody):
    """Each field but `mesh` is optional and narrows what the token allows."""

    mesh: MeshName
    name: Text = ""
    tags: Tags = Field(default={}, examples=[{"kuma.io/service": ["backend"]}])
    valid_for: Validity = _for("30 days")


class DiscoveryTokenRequest(RequestBody):
    """Without `meshes` the token is for all of them."""

    meshes: Annotated[list[MeshName], BeforeValidator(_names)] = Field(default=[])
    valid_for: Validity = _for("30 days")


class IdentityTokenRequest(RequestBody):
    """For the certificate of one service."""

    mesh: MeshName
    service: Annotated[
        str, BeforeValidator(_service), Field(min_length=1, max_length=LONGEST_TEXT, examples=["prometheus"])
    ]
    valid_for: Validity = _for("30 days")


class AdminTokenRequest(RequestBody):
    """Allows everything."""

    valid_for: Validity = _for("24 hours")


class RevocationRequest(RequestBody):
    """Either of the two."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["id"]}, {"required": ["token"]}]})

    id: Annotated[str, BeforeValidator(_text(LONGEST_TEXT)), Field(json_schema_extra={"minLength": 1})] = ""
    token: Annotated[
        str, BeforeValidator(_text(LONGEST_TOKEN)), Field(json_schema_extra={"minLength": 1})
    ] = ""

    @classmethod
    def faults_together(cls, body: Mapping[str, Any]) -> Iterable[Violation]:
        given = [is_text(body.get(field), LONGEST_TOKEN) and body[field] != "" for field in ("id", "token")]
        if given[0] == given[1]:
            yield Violation("id", "give either the id of a token or the token itself")


class RotationRequest(RequestBody):
    """What becomes of the tokens there are."""

    overlap: Annotated[bool, BeforeValidator(_overlap)] = True
    """False: every token that was issued before is void at once."""


class Token(AnswerBody):
    """What is known of a token, without the token."""

    id: str
    kind: Literal["admin", "dataplane", "discovery", "identity"]
    key_id: str
    issued_at: Time
    expires_at: Time
    revoked_at: Time | None
    mesh: str = ""
    name: str = ""
    tags: dict[str, list[str]] = Field(default={})
    meshes: list[str] = Field(default=[])
    service: str = ""

    @classmethod
    def of(cls, record: TokenRecord) -> Self:
        """From what is kept."""
        return cls.model_validate(
            {
                "id": record.id,
                "kind": record.audience.rpartition("/")[2],
                "key_id": record.key_id,
                "issued_at": record.issued_at,
                "expires_at": record.expires_at,
                "revoked_at": record.revoked_at,
                **record.subject,
            }
        )


class Tokens(AnswerBody):
    """All that were issued and have not expired."""

    items: list[Token]


class NewKey(AnswerBody):
    """The key that signs from now on."""

    key_id: str

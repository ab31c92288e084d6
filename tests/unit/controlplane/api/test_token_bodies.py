"""What the API makes of these requests is tested in test_tokens.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meshmeter.certs.tokens import DATAPLANE, DISCOVERY
from meshmeter.controlplane.api.token_bodies import (
    LONGEST_TOKEN,
    DataplaneTokenRequest,
    DiscoveryTokenRequest,
    IdentityTokenRequest,
    RevocationRequest,
    RotationRequest,
    Token,
    is_text,
)
from meshmeter.errors import InvalidResource, MeshNotFound
from meshmeter.store.token_records import TokenRecord

KNOWN = {"default", "shop"}
EITHER = "give either the id of a token or the token itself"
TEXT = "must be a text of at most 253 printable characters"


def faults(model: Any, body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidResource) as refused:
        model.read(body, "", KNOWN)
    return [(fault.field, fault.reason) for fault in refused.value.violations]


def test_what_is_not_said_is_empty_and_null_says_nothing() -> None:
    for body in ({}, {"name": None, "tags": None, "validFor": None}, {"name": "", "validFor": ""}):
        asked = DataplaneTokenRequest.read({"mesh": "shop", **body}, "", KNOWN)
        assert (asked.mesh, asked.name, asked.tags, asked.valid_for) == ("shop", "", {}, None)
    assert DiscoveryTokenRequest.read({"meshes": None}, "", KNOWN).meshes == []
    assert RotationRequest.read({}).overlap is True


def test_a_tag_may_have_one_value_without_a_list() -> None:
    asked = DataplaneTokenRequest.read({"mesh": "shop", "tags": {"a": "1", "b": ["2", "3"]}}, "", KNOWN)
    assert asked.tags == {"a": ["1"], "b": ["2", "3"]}


@pytest.mark.parametrize(
    ("model", "body", "found"),
    [
        (DataplaneTokenRequest, {}, [("mesh", "cannot be empty")]),
        (DataplaneTokenRequest, {"mesh": 5}, [("mesh", TEXT)]),
        (DataplaneTokenRequest, {"mesh": "x"}, [("mesh", str(MeshNotFound("x")))]),
        (DataplaneTokenRequest, {"mesh": "shop", "tags": {"a": [1, 2]}}, [('tags["a"]', TEXT)] * 2),
        (DataplaneTokenRequest, {"mesh": "shop", "tags": {"b\n": "1"}}, [('tags["b\n"]', TEXT)]),
        (DiscoveryTokenRequest, {"meshes": ["shop", "x"]}, [("meshes[1]", str(MeshNotFound("x")))]),
        (
            RevocationRequest,
            {"token": "x" * (LONGEST_TOKEN + 1)},
            [("token", TEXT.replace("253", "16384")), ("id", EITHER)],
        ),
        (RevocationRequest, {"id": "a", "token": "b"}, [("id", EITHER)]),
        (RevocationRequest, {"x": 1}, [("x", "unknown field, known are id, token"), ("id", EITHER)]),
        (RotationRequest, {"overlap": None}, [("overlap", "must be true or false")]),
    ],
)
def test_faults_have_the_words_of_the_field(
    model: Any, body: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    assert faults(model, body) == found


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        (DiscoveryTokenRequest, {"meshes": [""]}, "meshes[0]"),
        (DataplaneTokenRequest, {"mesh": "shop", "tags": {"a": [""]}}, 'tags["a"]'),
        (DataplaneTokenRequest, {"mesh": "shop", "tags": {"": ["1"]}}, 'tags[""]'),
    ],
)
def test_an_empty_text_does_not_widen_a_token(model: Any, body: dict[str, Any], field: str) -> None:
    assert faults(model, body) == [(field, "cannot be empty")]


def test_a_service_is_the_value_of_a_tag() -> None:
    body = {"mesh": "shop", "service": "web"}
    assert IdentityTokenRequest.read(body, "", KNOWN).service == "web"
    assert [field for field, _ in faults(IdentityTokenRequest, {**body, "service": "a b"})] == ["service"]


def test_texts() -> None:
    assert is_text("") and is_text("x" * 253) and is_text("é")
    assert not any(map(is_text, (None, 1, "x" * 254, "\x00", "\ud800")))


def test_a_record_is_answered_with_what_it_covers_and_no_more() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    record = TokenRecord(
        "i", "k", DATAPLANE, now, now + timedelta(hours=1), {"mesh": "m", "tags": {"a": ["1"]}}
    )
    assert Token.of(record).response().text == (
        '{"id": "i", "kind": "dataplane", "keyId": "k", "issuedAt": "2026-01-02T00:00:00Z", '
        '"expiresAt": "2026-01-02T01:00:00Z", "revokedAt": null, "mesh": "m", "tags": {"a": ["1"]}}'
    )
    bare = Token.of(TokenRecord("i", "k", DISCOVERY, now, now, {}, now)).response()
    assert "meshes" not in (bare.text or "") and '"revokedAt": "2026-01-02T00:00:00Z"' in (bare.text or "")

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meshmeter.errors import ResourceUnreadable
from meshmeter.store.rows import Row, to_document, to_record, to_resource
from support.resources import metered

CREATED, CHANGED = "2026-01-02T03:04:05.000006+00:00", "2026-02-03T04:05:06+00:00"


def row(document: str, *, name: str = "default", version: int = 1, created: str = CREATED) -> Row:
    """The row of a Mesh."""
    return ("Mesh", "", name, document, version, created, CHANGED)


def test_a_row_gives_the_resource() -> None:
    written = metered("default", port=1234)
    read = to_resource(row(to_document(written), version=7))
    assert read.spec == written.spec
    assert read.meta.version == 7
    assert read.meta.creation_time == datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    assert read.meta.modification_time == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_equal_content_is_equal_text_whatever_its_version_and_times() -> None:
    one = metered("default", port=1234, path="/m")
    two = metered("default", path="/m", port=1234)
    two = replace(two, meta=replace(two.meta, version=9, modification_time=datetime.now(UTC)))
    assert to_document(one) == to_document(two)
    assert to_document(one) != to_document(metered("default", port=1235, path="/m"))


def test_a_document_survives_reading() -> None:
    document = to_document(metered("default", envoy={"usedOnly": False}, aggregate=[]))
    assert to_document(to_resource(row(document))) == document


def test_fields_of_a_newer_program_are_ignored() -> None:
    document = json.loads(to_document(metered()))
    document["spec"]["novelty"] = document["novelty"] = 1
    assert to_resource(row(json.dumps(document))).spec == metered().spec


@pytest.mark.parametrize(
    ("document", "created"),
    [
        ("", CREATED),
        ("[]", CREATED),
        ("null", CREATED),
        ('{"kind": "Mesh"}', CREATED),
        ('{"kind": "Novelty", "name": "a", "mesh": ""}', CREATED),
        ('{"kind": "Mesh", "name": "a", "mesh": "", "spec": {"metrics": 1}}', CREATED),
        ('{"kind": "Mesh", "name": "a", "mesh": "", "spec": {}}', "yesterday"),
    ],
)
def test_damage_is_told(document: str, created: str) -> None:
    with pytest.raises(ResourceUnreadable, match="the stored Mesh a cannot be read"):
        to_resource(row(document, name="a", created=created))


def test_what_is_told_of_damage_is_printable_and_short() -> None:
    with pytest.raises(ResourceUnreadable) as caught:
        to_resource(row("\udcff" + "x" * 10_000, name="\x1b\udcff"))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


def test_a_token_record_that_cannot_be_read_is_that_of_a_revoked_token() -> None:
    record = to_record(("t", "k", "admin", CREATED, "2026-01-01T00:00:00", None, "{}"))
    assert record.id == "t" and record.revoked_at is not None

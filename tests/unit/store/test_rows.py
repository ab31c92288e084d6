import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meshmeter.errors import StoreUnavailable
from meshmeter.store.rows import to_document, to_resource
from support.resources import metered

CREATED, CHANGED = "2026-01-02T03:04:05.000006+00:00", "2026-02-03T04:05:06+00:00"


def test_a_row_gives_the_resource() -> None:
    written = metered("default", port=1234)
    read = to_resource((to_document(written), 7, CREATED, CHANGED))
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
    assert to_document(to_resource((document, 1, CREATED, CHANGED))) == document


def test_fields_of_a_newer_program_are_ignored() -> None:
    document = json.loads(to_document(metered()))
    document["spec"]["novelty"] = document["novelty"] = 1
    assert to_resource((json.dumps(document), 1, CREATED, CHANGED)).spec == metered().spec


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
    with pytest.raises(StoreUnavailable, match="a stored resource cannot be read"):
        to_resource((document, 1, created, CHANGED))

from __future__ import annotations

import pytest

from meshmeter.resources import paths


def test_paths_are_built_as_kuma_writes_them() -> None:
    at = paths.item(paths.child(paths.child("", "networking"), "inbound"), 0)

    assert paths.key(paths.child(at, "tags"), "kuma.io/service") == (
        'networking.inbound[0].tags["kuma.io/service"]'
    )


def test_names_that_no_field_can_have_are_quoted() -> None:
    assert paths.child("metrics", 'a "b"\n\x00') == 'metrics["a \\"b\\"\\n\\u0000"]'
    assert len(paths.child("", "x" * 1_000_000)) < 100


@pytest.mark.parametrize(
    ("path", "other", "inside"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", True),
        ("a.b", "a.b[0]", True),
        ("a.b", "a.bc", False),
        ("a.b", "a", False),
    ],
)
def test_what_lies_inside(path: str, other: str, inside: bool) -> None:
    assert paths.covers(path, other) is inside

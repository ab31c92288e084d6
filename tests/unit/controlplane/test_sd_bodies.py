"""Bodies are made once per content."""

from __future__ import annotations

import gzip
import json

from meshmeter.controlplane.sd_bodies import REMEMBERED, BodyCache
from meshmeter.effective.metrics import effective_metrics
from meshmeter.mads.assignments import (
    EVERYTHING,
    AssignmentSnapshot,
    Selection,
    build_assignment,
    build_snapshot,
)
from support.resources import dataplane, metered


def snapshot(*names: str) -> AssignmentSnapshot:
    built = []
    for name in names:
        subject = dataplane(name)
        assignment = build_assignment(subject, effective_metrics(metered(), subject))
        assert assignment is not None
        built.append(assignment)
    return build_snapshot(built)


def test_clients_with_the_same_answer_share_one_body() -> None:
    cache, now = BodyCache(), snapshot("a")
    everything = cache.select(now, EVERYTHING)
    same = cache.select(now, Selection(meshes=frozenset({"default"})))
    assert cache.discovery(everything) is cache.discovery(same)
    assert cache.targets(everything) is cache.targets(same)
    assert cache.discovery(everything) is not cache.targets(everything)


def test_both_encodings_say_the_same() -> None:
    cache = BodyCache()
    body = cache.targets(cache.select(snapshot("a"), EVERYTHING))
    assert gzip.decompress(body.gzipped) == body.plain
    assert json.loads(body.plain)[0]["labels"]["instance"] == "a"
    assert body.gzipped is body.gzipped


def test_a_selection_is_made_once_per_snapshot() -> None:
    cache, now = BodyCache(), snapshot("a", "b")
    wanted = Selection(service="backend")
    assert cache.select(now, wanted) is cache.select(now, wanted)


def test_a_new_snapshot_replaces_everything() -> None:
    cache = BodyCache()
    before = cache.discovery(cache.select(snapshot("a"), EVERYTHING))
    after = cache.discovery(cache.select(snapshot("a", "b"), EVERYTHING))
    assert before.plain != after.plain


def test_many_different_selections_do_not_pile_up() -> None:
    cache, now = BodyCache(), snapshot("a")
    first = cache.select(now, Selection(service="backend"))
    for number in range(REMEMBERED):
        assert cache.select(now, Selection(service=f"s{number}")).assignments == ()
    again = cache.select(now, Selection(service="backend"))
    assert again == first and again is not first

"""The cache and its wake-up calls."""

from __future__ import annotations

from meshmeter.xds.cache import SnapshotCache
from meshmeter.xds.snapshot import build
from support.conversation import cluster


def test_a_proxy_without_snapshot_has_none() -> None:
    cache = SnapshotCache()
    assert cache.get("default", "dp") is None
    cache.clear("default", "dp")


def test_watchers_are_woken_by_changes_of_their_proxy() -> None:
    cache, woken = SnapshotCache(), []
    cache.watch("default", "dp", lambda: woken.append("dp"))
    cache.set("default", "other", build([cluster("a")]))
    assert woken == []
    cache.set("default", "dp", build([cluster("a")]))
    assert woken == ["dp"]
    cache.set("default", "dp", build([cluster("a")]))
    assert woken == ["dp"], "the same content again"
    cache.set("default", "dp", build([cluster("a", 2)]))
    assert woken == ["dp", "dp"]


def test_a_snapshot_with_other_problems_only_is_kept_without_waking_anybody() -> None:
    cache, woken = SnapshotCache(), []
    cache.set("default", "dp", build(()))
    cache.watch("default", "dp", lambda: woken.append(1))
    cache.set("default", "dp", build((), problems=["left out"]))
    found = cache.get("default", "dp")
    assert found is not None
    assert found.problems == ("left out",)
    assert woken == []


def test_two_watchers_and_the_end_of_one() -> None:
    cache, woken = SnapshotCache(), []
    stop = cache.watch("default", "dp", lambda: woken.append("first"))
    cache.watch("default", "dp", lambda: woken.append("second"))
    stop()
    stop()
    cache.set("default", "dp", build(()))
    assert woken == ["second"]


def test_a_watcher_may_end_while_it_is_woken() -> None:
    cache, woken = SnapshotCache(), []

    def once() -> None:
        woken.append(1)
        stop()

    stop = cache.watch("default", "dp", once)
    cache.set("default", "dp", build(()))
    cache.set("default", "dp", build([cluster("a")]))
    assert woken == [1]


def test_clearing_wakes_nobody_and_what_comes_next_does() -> None:
    cache, woken = SnapshotCache(), []
    cache.set("default", "dp", build(()))
    cache.watch("default", "dp", lambda: woken.append(1))
    cache.clear("default", "dp")
    assert (cache.get("default", "dp"), woken) == (None, [])
    cache.set("default", "dp", build(()))
    assert woken == [1]

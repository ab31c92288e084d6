"""Snapshots: versions from content, and the consistency check."""

from __future__ import annotations

import pytest

from meshmeter.xds.snapshot import InconsistentSnapshot, ResourceKey, build, pack
from meshmeter.xds.types import CLUSTER, ENDPOINTS, LISTENER, ORDER
from support.conversation import cluster, endpoints, listener, secret


def test_a_version_is_a_hash_of_content() -> None:
    one = pack({"@type": CLUSTER, "name": "a", "connectTimeout": "1s"})
    same = pack({"connectTimeout": "1s", "name": "a", "@type": CLUSTER})
    assert one == same
    assert len(one.version) == 16
    assert one.version != cluster("a", 2).version
    assert cluster("a").version != cluster("b").version


def test_endpoints_are_named_by_their_cluster() -> None:
    assert endpoints("a").key == ResourceKey(ENDPOINTS, "a")


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"@type": CLUSTER}, "no name"),
        ({"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}, "not a resource type"),
        ({"name": "a"}, "not a resource type"),
        ({"@type": CLUSTER, "name": "a", "nope": 1}, "nope"),
    ],
)
def test_what_is_no_resource_is_refused(document: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        pack(document)


def test_a_snapshot_keeps_resources_by_type_and_name() -> None:
    snapshot = build([cluster("a"), endpoints("a"), listener("l")], problems=["something is left out"])
    assert dict(snapshot.of(CLUSTER)) == {"a": cluster("a")}
    assert set(snapshot.versions) == set(ORDER)
    assert snapshot.problems == ("something is left out",)


def test_the_version_of_a_type_changes_with_its_resources_only() -> None:
    one, other = build([cluster("a"), listener("l", 1)]), build([cluster("a"), listener("l", 2)])
    assert one.versions[CLUSTER] == other.versions[CLUSTER]
    assert one.versions[LISTENER] != other.versions[LISTENER]
    turned = [build([cluster("a"), cluster("b")]), build([cluster("b"), cluster("a")])]
    assert turned[0] == turned[1]


def test_a_resource_twice_is_once_but_two_under_one_name_are_a_fault() -> None:
    assert len(build([cluster("a"), cluster("a")]).of(CLUSTER)) == 1
    with pytest.raises(InconsistentSnapshot, match="two different Cluster a"):
        build([cluster("a", 1), cluster("a", 2)])


def test_a_reference_to_nothing_is_a_fault() -> None:
    reference = (ResourceKey(LISTENER, "l"), ResourceKey(CLUSTER, "a"))
    assert build([cluster("a"), listener("l")], [reference]).consistent_faults() == ()
    with pytest.raises(InconsistentSnapshot, match=r"l \(Listener\) refers to a \(Cluster\)"):
        build([listener("l")], [reference])


def test_packed_resources_are_shared_and_secrets_are_not_kept() -> None:
    assert cluster("shared") is cluster("shared")
    assert secret("s") is not secret("s")
    assert secret("s") == secret("s")

"""Envoy's names."""

from __future__ import annotations

import pytest

from meshmeter.exposition.clusters import relabel, split_base

TRAFFIC = (b"kuma_io_mesh_traffic", b"true")


@pytest.mark.parametrize(
    ("cluster", "base"),
    [
        (b"web-0123456789abcdef", b"web"),
        (b"a-b-0123456789ABCDEF", b"a-b"),
        (b"web-0123456789abcde", None),
        (b"web-0123456789abcdefg", None),
        (b"web", None),
        (b"-0123456789abcdef", b""),
    ],
)
def test_split_base(cluster: bytes, base: bytes | None) -> None:
    assert split_base(cluster) == base


def test_relabel() -> None:
    cluster, http = b"envoy_cluster_name", b"envoy_http_conn_manager_prefix"
    assert relabel(((cluster, b"web-0123456789abcdef"), (b"x", b"1"))) == (
        ((cluster, b"web"), (b"x", b"1"), TRAFFIC),
        True,
    )
    for own in (b"ads_cluster", b"access_log_sink", b"kuma_envoy_admin", b"kuma_metrics_hijacker"):
        assert relabel(((cluster, own),)) == (((cluster, own),), False)
    for own in (b"admin", b"kuma_envoy_admin", b"kuma_metrics_prometheus"):
        assert relabel(((http, own),)) == (((http, own),), False)
    assert relabel(((http, b"web"), TRAFFIC)) == (((http, b"web"), TRAFFIC), False)
    assert relabel(((http, b"web"), (cluster, b"ads_cluster")))[0][-1] != TRAFFIC
    assert relabel(()) == ((), False)

"""What a metrics proxy may reach."""

from __future__ import annotations

import pytest

from meshmeter.effective.metrics import effective_metrics
from meshmeter.effective.targets import MetricsTarget, metrics_target, proxied
from meshmeter.effective.transport import Transport
from support.resources import dataplane, metered


def target(
    address: str = "10.0.0.1", port: int = 5670, transport: Transport = Transport.PLAIN
) -> MetricsTarget:
    return MetricsTarget(address, port, "/metrics", transport)


@pytest.mark.parametrize(
    ("mtls", "conf", "transport"),
    [
        (False, {}, Transport.PLAIN),
        (True, {}, Transport.MTLS),
        (True, {"tls": {"mode": "disabled"}}, Transport.PLAIN),
        (True, {"tls": {"mode": "providedTLS"}}, Transport.PROVIDED_TLS),
    ],
)
def test_a_target_is_what_peers_see(mtls: bool, conf: dict[str, object], transport: Transport) -> None:
    made = dataplane(advertisedAddress="10.9.9.9", conf={"port": 1234, "path": "/m", **conf})
    effective = effective_metrics(metered(mtls=mtls), made)
    assert effective is not None
    assert metrics_target(made, effective) == MetricsTarget("10.9.9.9", 1234, "/m", transport)


def test_targets_are_ordered_and_each_is_there_once() -> None:
    assert list(proxied([target("b"), target("a"), target("b")])) == [target("a"), target("b")]


def test_provided_tls_and_link_local_addresses_are_left_out() -> None:
    assert (
        list(
            proxied([target(transport=Transport.PROVIDED_TLS), target("169.254.169.254"), target("fe80::1")])
        )
        == []
    )

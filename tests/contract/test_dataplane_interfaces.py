"""envoy-metrics-listener and dataplane-validation: the addresses and ports of a Dataplane."""

from __future__ import annotations

from contract.conformance import Case, vectors
from contract.universal import dataplane_spec
from meshmeter.effective.interfaces import is_ipv6, reachable_address, uses_interface


@vectors("envoy-metrics-listener", "uses-interface")
def test_uses_interface(case: Case) -> None:
    spec = dataplane_spec(case.data["dataplane"])
    assert uses_interface(spec, case.data["address"], case.data["port"]) is case.data["expected"]


@vectors("dataplane-validation", "get-ip")
def test_get_ip(case: Case) -> None:
    assert reachable_address(dataplane_spec(case.data["dataplane"])) == case.data["expected"]


@vectors("dataplane-validation", "is-ipv6")
def test_is_ipv6(case: Case) -> None:
    assert is_ipv6(dataplane_spec(case.data["dataplane"])) is case.data["expected"]

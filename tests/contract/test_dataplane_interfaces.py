"""envoy-metrics-listener and dataplane-validation: the addresses and ports of a Dataplane."""

from __future__ import annotations

from contract.conformance import Case, vectors
from contract.universal import dataplane_spec
from meshmeter.addresses import parse_ip
from meshmeter.effective.interfaces import listen_address, reachable_address, taken_by


@vectors("envoy-metrics-listener", "uses-interface")
def test_uses_interface(case: Case) -> None:
    spec = dataplane_spec(case.data["dataplane"])
    taken = taken_by(spec, case.data["address"], case.data["port"])
    assert (taken is not None) is case.data["expected"]


@vectors("dataplane-validation", "get-ip")
def test_get_ip(case: Case) -> None:
    assert reachable_address(dataplane_spec(case.data["dataplane"])) == case.data["expected"]


@vectors("dataplane-validation", "is-ipv6")
def test_is_ipv6(case: Case) -> None:
    address = parse_ip(listen_address(dataplane_spec(case.data["dataplane"])))
    assert (address is not None and address.version == 6) is case.data["expected"]

"""traffic-permission: which permission holds for which destination."""

from __future__ import annotations

from typing import Any

from contract.conformance import Case, vectors
from contract.universal import resource
from meshmeter.effective.access import admitted_sources, matches, select_permission
from meshmeter.effective.interfaces import Use, interfaces, listen_address
from meshmeter.effective.metrics import effective_metrics

Interface = tuple[str, int, str, int]
"""Address and port of the proxy, then those of the application."""


@vectors("traffic-permission", "match-inbounds")
def test_match_inbounds(case: Case) -> None:
    dataplane = resource(case.data["dataplane"])
    mesh = resource(case.data["mesh"]) if case.data["mesh"] else None
    permissions = [resource(document) for document in case.data["trafficPermissions"] or ()]
    inbounds = [i for i in interfaces(dataplane.spec) if i.use is Use.INBOUND]
    applications = [i for i in interfaces(dataplane.spec) if i.use is Use.APPLICATION]
    destinations: dict[Interface, dict[str, str]] = {
        (proxy.address, proxy.port, app.address, app.port): inbound.tags
        for proxy, app, inbound in zip(
            inbounds, applications, dataplane.spec.networking.inbound or (), strict=True
        )
    }
    if mesh and (effective := effective_metrics(mesh, dataplane)):
        endpoint = listen_address(dataplane.spec), effective.port.value
        destinations[(*endpoint, *endpoint)] = dict(effective.tags.value)

    found = {at: select_permission(permissions, tags) for at, tags in destinations.items()}
    chosen = {at: permission.name for at, permission in found.items() if permission}
    assert chosen == {interface(match["interface"]): match["policy"] for match in case.data["expected"] or ()}


def interface(fields: dict[str, Any]) -> Interface:
    return fields["address"], fields["port"], fields["workloadAddress"], fields["workloadPort"]


@vectors("traffic-permission", "match-external-services")
def test_match_external_services(case: Case) -> None:
    """External services are no kind of resource here, but their tags are a destination as any other."""
    permissions = [resource(document) for document in case.data["trafficPermissions"] or ()]
    proxy = [inbound.tags or {} for inbound in resource(case.data["dataplane"]).spec.networking.inbound or ()]
    reachable = {
        service["name"]
        for service in case.data["externalServices"] or ()
        for source in admitted_sources(select_permission(permissions, service["tags"]))
        if any(matches(source, tags) for tags in proxy)
    }
    assert reachable == set(case.data["expected"] or ())

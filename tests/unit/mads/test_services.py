"""The services of a target."""

from __future__ import annotations

from meshmeter.mads.services import services
from support.resources import dataplane


def test_all_services_sorted() -> None:
    tags = ({"kuma.io/service": "web"}, {"kuma.io/service": "api"}, None)
    inbound = [{"port": port, "tags": each} for port, each in enumerate(tags, 1)]
    assert services(dataplane(inbound=inbound)) == ("api", "web")


def test_a_dataplane_without_tags_is_of_an_unknown_service() -> None:
    assert services(dataplane(inbound=[])) == ("unknown",)

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from meshmeter.controlplane.api.list_filters import matcher
from meshmeter.controlplane.http.errors import Refusal
from meshmeter.resources.resource import AnyResource
from support.resources import dataplane, mesh

BACKEND = dataplane("backend-1")
LABELLED = replace(BACKEND, meta=replace(BACKEND.meta, labels={"team": "red"}))
GATEWAY = dataplane("gw", inbound=[], gateway={"tags": {"kuma.io/service": "gw"}})
BUILTIN = dataplane("gw", inbound=[], gateway={"type": "BUILTIN", "tags": {"kuma.io/service": "gw"}})


def matches(query: str, resource: AnyResource) -> bool:
    return matcher(parse_qsl(query, keep_blank_values=True))(resource)


def test_filters() -> None:
    assert matches("", BACKEND)
    assert matches("size=3&offset=x&unknown=1", BACKEND)
    assert matches("name=kend", BACKEND) and not matches("name=front", BACKEND)
    assert matches("filter[labels.team]=red", LABELLED) and not matches("filter[labels.team]=red", BACKEND)
    assert matches("tag=kuma.io/service:backend", BACKEND)
    assert not matches("tag=kuma.io/service:back", BACKEND)
    assert not matches("tag=kuma.io/service:backend", mesh())


def test_all_given_filters_have_to_match() -> None:
    assert matches("name=back&filter[labels.team]=red", LABELLED)
    assert not matches("name=front&filter[labels.team]=red", LABELLED)
    assert not matches("tag=kuma.io/service:backend&tag=version:1", BACKEND)


@pytest.mark.parametrize(
    "wanted, found",
    [("true", [GATEWAY, BUILTIN]), ("false", [BACKEND]), ("builtin", [BUILTIN]), ("delegated", [GATEWAY])],
)
def test_gateways(wanted: str, found: list[object]) -> None:
    assert [r for r in (BACKEND, GATEWAY, BUILTIN) if matches(f"gateway={wanted}", r)] == found


def test_every_filter_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Refusal) as caught:
        matcher([("filter[x]", "1"), ("filter[labels.]", "1"), ("tag", "x"), ("tag", ":x"), ("gateway", "?")])
    assert [v.field for v in caught.value.violations] == [
        "filter[x]",
        "filter[labels.]",
        "tag",
        "tag",
        "gateway",
    ]

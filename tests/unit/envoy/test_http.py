"""The connection manager and its filters, as Envoy's schema knows them."""

from __future__ import annotations

from typing import Any

from meshmeter.envoy.http import compressor, connection_manager, virtual_host
from support.snapshots import normal


def checked(filter: dict[str, Any]) -> dict[str, Any]:
    """The filter's configuration; ValueError unless the schema has it."""
    return normal(filter["typedConfig"])


def test_the_router_comes_last() -> None:
    made = connection_manager("p", {"virtualHosts": []}, filters=[compressor(["text/plain"])])
    names = [f["name"] for f in checked(made)["httpFilters"]]
    assert names == ["envoy.filters.http.compressor", "envoy.filters.http.router"]


def test_further_fields_are_the_managers() -> None:
    made = checked(connection_manager("p", {}, upgradeConfigs=[{"upgradeType": "websocket"}]))
    assert made["statPrefix"] == "p"
    assert made["upgradeConfigs"] == [{"upgradeType": "websocket"}]


def test_a_virtual_host_takes_every_authority() -> None:
    assert virtual_host("web", []) == {"name": "web", "domains": ["*"], "routes": []}


def test_the_compressor_is_fast_rather_than_thorough() -> None:
    made = checked(compressor(["text/plain"]))
    assert made["compressorLibrary"]["typedConfig"]["compressionLevel"] == "BEST_SPEED"
    assert made["responseDirectionConfig"]["commonConfig"] == {
        "contentTypeMatcher": [{"exact": "text/plain"}]
    }

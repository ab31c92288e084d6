"""What paths and queries name, over real sockets, with the real store."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from support.api_requests import DATAPLANE, ask, faults, put_dataplane


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/meshes/nope/dataplanes"),
        ("GET", "/meshes/nope/dataplanes/x"),
        ("PUT", "/meshes/nope/dataplanes/x"),
        ("GET", "/meshes/nope/dataplanes/x/_metrics"),
        ("GET", "/meshes/%00/dataplanes"),
        ("GET", "/meshes/%ff%fe/dataplanes"),
    ],
)
async def test_a_mesh_that_does_not_exist_is_told_before_anything_else(
    client: ClientSession, method: str, path: str
) -> None:
    status, answer = await ask(client, method, path)
    assert (status, answer["title"], answer["detail"]) == (404, "Failed to retrieve Mesh", "Not found")


async def test_lists_come_in_pages_that_survive_changes(client: ClientSession) -> None:
    for name in ("a", "c", "e", "g"):
        await put_dataplane(client, name)
    status, first = await ask(client, "GET", "/dataplanes?size=2")
    assert status == 200
    assert (first["total"], [item["name"] for item in first["items"]]) == (4, ["a", "c"])
    await ask(client, "DELETE", "/meshes/default/dataplanes/c")
    await put_dataplane(client, "b")
    assert first["next"].startswith(str(client._base_url))
    second = (await ask(client, "GET", first["next"]))[1]
    assert [item["name"] for item in second["items"]] == ["e", "g"]
    assert second["next"] is None


async def test_lists_are_of_one_mesh_or_of_all_and_filtered(client: ClientSession) -> None:
    await ask(client, "PUT", "/meshes/shop", {"type": "Mesh", "name": "shop"})
    await put_dataplane(client, "a-one", labels={"team": "red"})
    await put_dataplane(client, "b-two")
    other = {**DATAPLANE, "mesh": "shop", "name": "c-one"}
    await ask(client, "PUT", "/meshes/shop/dataplanes/c-one", other)

    async def names(path: str) -> list[str]:
        return [item["name"] for item in (await ask(client, "GET", path))[1]["items"]]

    assert await names("/meshes") == ["default", "shop"]
    assert await names("/dataplanes") == ["a-one", "b-two", "c-one"]
    assert await names("/meshes/shop/dataplanes") == ["c-one"]
    assert await names("/dataplanes?name=one") == ["a-one", "c-one"]
    assert await names("/dataplanes?filter[labels.team]=red") == ["a-one"]
    assert await names("/dataplanes?tag=kuma.io/service:backend&name=two") == ["b-two"]
    assert await names("/dataplanes?tag=kuma.io/service:frontend") == []
    assert await names("/traffic-permissions") == []


@pytest.mark.parametrize(
    "query, field",
    [
        ("size=0", "size"),
        ("size=1001", "size"),
        ("size=x", "size"),
        ("offset=%21", "offset"),
        ("tag=x", "tag"),
    ],
)
async def test_bad_parameters_of_a_list_are_named(client: ClientSession, query: str, field: str) -> None:
    status, answer = await ask(client, "GET", f"/dataplanes?{query}")
    assert (status, faults(answer)[0][0]) == (400, field)

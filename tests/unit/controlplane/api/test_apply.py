"""Batches over real sockets, with the real store."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from support.api_requests import DATAPLANE, ask, faults, put_dataplane
from support.api_server import serve


async def apply(client: ClientSession, *documents: object, dry_run: bool = False) -> tuple[int, Any]:
    query = "?dry-run=true" if dry_run else ""
    return await ask(client, "POST", f"/_apply{query}", {"documents": documents})


async def test_a_batch_may_bring_a_mesh_and_its_dataplanes_in_any_order(client: ClientSession) -> None:
    dataplane = {**DATAPLANE, "mesh": "shop"}
    status, answer = await apply(client, dataplane, {"type": "Mesh", "name": "shop"})
    assert status == 200
    assert [(r["kind"], r["result"]) for r in answer["results"]] == [
        ("Dataplane", "Created"),
        ("Mesh", "Created"),
    ]
    again = (await apply(client, {**dataplane, "labels": {"a": "b"}}, {"type": "Mesh", "name": "shop"}))[1]
    assert [r["result"] for r in again["results"]] == ["Updated", "Unchanged"]


async def test_a_batch_with_a_fault_stores_nothing_and_names_all(client: ClientSession) -> None:
    status, answer = await apply(
        client,
        {"type": "Mesh", "name": "good"},
        {"type": "Mesh", "name": "Bad", "metrcs": {}},
        {**DATAPLANE, "mesh": "nowhere"},
        "not a document",
        {"type": "Mesh", "name": "good"},
    )
    assert status == 400
    found = dict(faults(answer))
    assert found["documents[1].metrcs"] == 'unknown field, did you mean "metrics"?'
    assert "documents[1].name" in found
    assert "documents[3]" in found
    assert found["documents[4].name"] == "Mesh good is also in documents[0]: keep one"
    assert (await ask(client, "GET", "/meshes/good"))[0] == 404

    status, answer = await apply(client, {**DATAPLANE, "mesh": "nowhere"})
    assert faults(answer) == [("documents[0].mesh", "mesh of name nowhere is not found")]


async def test_a_dry_run_shows_the_difference_and_the_proxies_it_reaches(client: ClientSession) -> None:
    await put_dataplane(client)
    backend = {"name": "prometheus-1", "type": "prometheus", "conf": {"port": 1234}}
    metrics = {"enabledBackend": "prometheus-1", "backends": [backend]}
    status, answer = await apply(
        client, {"type": "Mesh", "name": "default", "metrics": metrics}, dry_run=True
    )
    assert status == 200
    (result,) = answer["results"]
    assert result["result"] == "Updated"
    assert "-      port: 5670" in result["diff"] and "+      port: 1234" in result["diff"]
    assert answer["affected"]["proxies"] == answer["affected"]["port"] == 1
    assert answer["affected"]["path"] == answer["affected"]["sources"] == 0
    stored = (await ask(client, "GET", "/meshes/default"))[1]
    assert stored["metrics"]["backends"][0]["conf"]["port"] == 5670


@pytest.mark.parametrize("body", [[], {}, {"documents": 1}, {"documents": [{}] * 10_001}])
async def test_what_is_no_batch_is_refused(client: ClientSession, body: object) -> None:
    assert (await ask(client, "POST", "/_apply", body))[0] == 400


async def test_ten_thousand_documents_are_one_batch(tmp_path: Path) -> None:
    documents = [{**DATAPLANE, "name": f"dp-{number}"} for number in range(10_000)]
    body = BytesIO(json.dumps({"documents": documents}).encode())
    headers = {"Content-Type": "application/json"}
    async with serve(tmp_path, reconciled=False) as api, api.client() as client:
        async with client.post("/_apply", data=body, headers=headers) as response:
            assert response.status == 200
            results = (await response.json())["results"]
        assert {result["result"] for result in results} == {"Created"}
        assert (await ask(client, "GET", "/dataplanes?size=1"))[1]["total"] == 10_000

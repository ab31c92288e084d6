"""The resource API over real sockets, with the real store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from meshmeter import __version__
from meshmeter.controlplane.admission.written_by import AGENT, AWAY, BROUGHT, REGISTERED, is_away, marked
from meshmeter.resources.resource import Key
from meshmeter.store.base import Put
from support.api_server import ServedApi, serve

DATAPLANE: dict[str, Any] = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "backend-1",
    "networking": {
        "address": "192.168.0.1",
        "inbound": [{"port": 8080, "tags": {"kuma.io/service": "backend"}}],
    },
}
ONE = "/meshes/default/dataplanes/backend-1"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with serve(tmp_path) as served:
        yield served


@pytest.fixture
async def client(api: ServedApi) -> AsyncIterator[ClientSession]:
    async with api.client() as session:
        yield session


async def ask(
    client: ClientSession, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, Any]:
    async with client.request(method, path, json=body, headers=headers) as response:
        return response.status, await response.json()


async def put_dataplane(client: ClientSession, name: str = "backend-1", **fields: Any) -> int:
    path = f"/meshes/default/dataplanes/{name}"
    return (await ask(client, "PUT", path, {**DATAPLANE, "name": name, **fields}))[0]


def faults(answer: Any) -> list[tuple[str, str]]:
    return [(each["field"], each["reason"]) for each in answer["invalid_parameters"]]


async def test_the_index_names_product_and_version(client: ClientSession) -> None:
    status, answer = await ask(client, "GET", "/")
    assert status == 200
    assert (answer["product"], answer["version"]) == ("meshmeter", __version__)
    assert {"hostname", "instanceId", "clusterId"} < answer.keys()
    assert (await ask(client, "GET", "/"))[1]["clusterId"] == answer["clusterId"]


@pytest.mark.parametrize("path", ["/", "/meshes", ONE, "/tokens/dataplane", "/nowhere"])
async def test_without_an_admin_token_there_is_no_answer(api: ServedApi, path: str) -> None:
    async with ClientSession(api.url) as anybody:
        assert (await ask(anybody, "GET", path))[0] == 401
        assert (await ask(anybody, "GET", path, Authorization="Bearer not.a.token"))[0] == 401


async def test_descriptions_are_for_everybody(api: ServedApi) -> None:
    async with ClientSession(api.url) as anybody:
        assert (await ask(anybody, "GET", "/openapi.json"))[0] == 200
        async with anybody.get("/schemas/dataplane") as response:
            assert response.content_type == "application/schema+json"
            assert (await response.json(content_type=None))["title"] == "Dataplane"
        assert (await ask(anybody, "GET", "/schemas/nothing"))[0] == 404


async def test_a_resource_is_created_changed_read_and_deleted(client: ClientSession) -> None:
    assert await ask(client, "PUT", ONE, DATAPLANE) == (201, {})
    assert await ask(client, "PUT", ONE, {**DATAPLANE, "labels": {"team": "a"}}) == (200, {})
    status, read = await ask(client, "GET", ONE)
    assert status == 200
    assert (read["type"], read["mesh"], read["name"]) == ("Dataplane", "default", "backend-1")
    assert read["labels"] == {"team": "a"}
    assert read["networking"]["inbound"][0]["tags"] == {
        "kuma.io/service": "backend",
        "kuma.io/zone": "default",
    }
    assert await ask(client, "DELETE", ONE) == (200, {})
    status, gone = await ask(client, "GET", ONE)
    assert (status, gone["title"], gone["detail"]) == (404, "Could not retrieve a resource", "Not found")
    status, gone = await ask(client, "DELETE", ONE)
    assert (status, gone["title"]) == (404, "Could not delete a resource")


async def test_a_mesh_is_stored_with_the_defaults_of_the_page(client: ClientSession) -> None:
    backend = {"name": "p", "type": "prometheus"}
    mesh = {"type": "Mesh", "name": "shop", "metrics": {"enabledBackend": "p", "backends": [backend]}}
    assert (await ask(client, "PUT", "/meshes/shop", mesh))[0] == 201
    conf = (await ask(client, "GET", "/meshes/shop"))[1]["metrics"]["backends"][0]["conf"]
    assert conf == {
        "port": 5670,
        "path": "/metrics",
        "tags": {"kuma.io/service": "dataplane-metrics"},
        "tls": {"mode": "activeMTLSBackend"},
    }


async def test_a_body_may_be_yaml_and_in_the_form_of_kubernetes(client: ClientSession) -> None:
    body = """
apiVersion: kuma.io/v1alpha1
kind: Dataplane
mesh: default
metadata: {name: web, namespace: shop, annotations: {note: keep}}
spec: {networking: {address: 10.0.0.1}}
"""
    path = "/meshes/default/dataplanes/web.shop"
    async with client.put(path, data=body, headers={"Content-Type": "application/yaml"}) as response:
        assert response.status == 201, await response.text()
    kubernetes = (await ask(client, "GET", f"{path}?format=kubernetes"))[1]
    assert kubernetes["metadata"]["namespace"] == "shop"
    universal = (await ask(client, "GET", path))[1]
    assert universal["name"] == "web.shop"

    # What the Universal form has no place for survives a change in it.
    assert (await ask(client, "PUT", path, {**universal, "labels": {"a": "b"}}))[0] == 200
    kubernetes = (await ask(client, "GET", f"{path}?format=k8s"))[1]
    assert kubernetes["metadata"]["namespace"] == "shop"
    assert kubernetes["metadata"]["annotations"]["note"] == "keep"
    assert (await ask(client, "GET", f"{path}?format=xml"))[0] == 400


async def test_warnings_come_back_without_refusing(client: ClientSession) -> None:
    backends = [{"name": "p", "type": "prometheus"}]
    status, answer = await ask(
        client, "PUT", "/meshes/shop", {"type": "Mesh", "name": "shop", "metrics": {"backends": backends}}
    )
    assert status == 201
    assert any(warning.startswith("metrics.enabledBackend: ") for warning in answer["warnings"])


async def test_every_fault_is_named_at_once(client: ClientSession) -> None:
    body = {
        "type": "Dataplane",
        "mesh": "other",
        "name": "else",
        "netwroking": {},
        "metrics": {"type": "prometheus", "conf": {"port": 70000}},
    }
    status, answer = await ask(client, "PUT", ONE, body)
    assert status == 400
    assert answer["type"] == "/std-errors"
    assert answer["detail"] == answer["details"] == "Resource is not valid"
    found = dict(faults(answer))
    assert found["netwroking"] == 'unknown field, did you mean "networking"?'
    assert "metrics.conf.port" in found
    assert found["name"] == "name from the URL has to be the same as in body"
    assert found["mesh"] == "mesh from the URL has to be the same as in body"
    assert [(c["field"], c["message"]) for c in answer["causes"]] == faults(answer)
    assert (await ask(client, "GET", ONE))[0] == 404


async def test_the_kind_in_the_body_has_to_be_that_of_the_path(client: ClientSession) -> None:
    answer = (await ask(client, "PUT", "/meshes/backend-1", DATAPLANE))[1]
    assert ("type", "type from the URL has to be the same as in body") in faults(answer)


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


async def test_a_stale_version_is_refused(client: ClientSession) -> None:
    async with client.put(ONE, json=DATAPLANE, headers={"If-None-Match": "*"}) as response:
        assert response.status == 201
        first = response.headers["ETag"]
    assert (await ask(client, "PUT", ONE, DATAPLANE, **{"If-None-Match": "*"}))[0] == 409
    changed = {**DATAPLANE, "labels": {"n": "2"}}
    async with client.put(ONE, json=changed, headers={"If-Match": first}) as response:
        assert response.status == 200
        second = response.headers["ETag"]
    assert second != first
    status, answer = await ask(client, "PUT", ONE, DATAPLANE, **{"If-Match": first})
    assert status == 409 and "read it again" in answer["detail"]
    assert (await ask(client, "DELETE", ONE, **{"If-Match": first}))[0] == 409
    async with client.get(ONE, headers={"If-None-Match": second}) as response:
        assert response.status == 304
    assert (await ask(client, "DELETE", ONE, **{"If-Match": second}))[0] == 200
    assert (await ask(client, "PUT", ONE, DATAPLANE, **{"If-Match": "*"}))[0] == 409


async def test_an_equal_resource_keeps_its_version(client: ClientSession) -> None:
    async with client.put(ONE, json=DATAPLANE) as response:
        first = response.headers["ETag"]
    async with client.put(ONE, json=DATAPLANE) as response:
        assert response.headers["ETag"] == first


async def test_a_mesh_with_dataplanes_stays(client: ClientSession) -> None:
    await put_dataplane(client)
    status, answer = await ask(client, "DELETE", "/meshes/default")
    assert status == 400
    assert faults(answer) == [("mesh", "unable to delete mesh, there are still some dataplanes attached")]
    await ask(client, "DELETE", ONE)
    assert (await ask(client, "DELETE", "/meshes/default"))[0] == 200


async def test_a_new_mesh_has_a_short_name(client: ClientSession) -> None:
    name = "m" * 64
    status, answer = await ask(client, "PUT", f"/meshes/{name}", {"type": "Mesh", "name": name})
    assert (status, faults(answer)) == (400, [("name", "cannot be longer than 63 characters")])


async def test_the_authority_cannot_be_changed_while_mtls_is_on(client: ClientSession) -> None:
    def mesh(enabled: str | None) -> dict[str, Any]:
        mtls = {"backends": [{"name": enabled or "a", "type": "builtin"}]}
        return {
            "type": "Mesh",
            "name": "shop",
            "mtls": mtls | ({"enabledBackend": enabled} if enabled else {}),
        }

    assert (await ask(client, "PUT", "/meshes/shop", mesh("a")))[0] == 201
    status, answer = await ask(client, "PUT", "/meshes/shop", mesh("b"))
    assert status == 400
    assert faults(answer)[0][0] == "mtls.enabledBackend"
    assert (await ask(client, "PUT", "/meshes/shop", mesh(None)))[0] == 200
    assert (await ask(client, "PUT", "/meshes/shop", mesh("b")))[0] == 200


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


async def test_bodies_have_a_limit_a_type_and_one_document(client: ClientSession) -> None:
    async def put(data: bytes, content_type: str = "application/json") -> int:
        async with client.put(ONE, data=BytesIO(data), headers={"Content-Type": content_type}) as response:
            assert (await response.json())["type"] == "/std-errors"
            return response.status

    assert await put(b" " * ((1 << 20) + 1)) == 413
    assert await put(b"{}", "text/html") == 415
    for body in (b"", b"{", b"[]", b"a: 1\n---\nb: 2\n", b"\xff", b"a: &a [*a]", b"type: \x00"):
        assert await put(body, "application/yaml") == 400


async def test_a_method_that_is_not_offered_is_405(client: ClientSession) -> None:
    async with client.post(ONE, json={}) as response:
        assert response.status == 405
        assert "PUT" in response.headers["Allow"]


# Batches


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


# What holds


async def test_explain_and_overview_of_a_proxy(api: ServedApi, client: ClientSession) -> None:
    await put_dataplane(client)
    await api.caught_up()
    explained = (await ask(client, "GET", f"{ONE}/_metrics"))[1]
    assert explained["urls"] == ["http://192.168.0.1:5670/metrics"]
    assert [found["code"] for found in explained["findings"]] == ["proxy-not-connected"]
    overview = (await ask(client, "GET", f"{ONE}/_overview"))[1]
    assert (overview["name"], overview["status"], overview["metrics"]) == ("backend-1", "offline", "offline")
    api.registry.stream_opened("default", "backend-1", "1", "1.36")
    for path in ("/dataplanes/_overview", "/meshes/default/dataplanes/_overview"):
        assert [item["status"] for item in (await ask(client, "GET", path))[1]["items"]] == ["online"]
    summary = (await ask(client, "GET", "/meshes/default/_metrics"))[1]
    assert summary["proxies"]["serving"] == 1
    assert (await ask(client, "GET", "/meshes/default/dataplanes/none/_metrics"))[0] == 404
    assert (await ask(client, "GET", "/meshes/none/_metrics"))[0] == 404


async def test_a_dataplane_whose_proxy_is_away_is_listed_and_explained_as_that(
    api: ServedApi, client: ClientSession
) -> None:
    await put_dataplane(client)
    (found,) = await api.store.list("Dataplane")
    away = marked(found, {REGISTERED: "h", BROUGHT: AGENT, AWAY: "true"})
    await api.store.commit([Put(away)])
    while api.reconciler.dataplane("default", "backend-1") is not None:
        await asyncio.sleep(0)
    status, answer = await ask(client, "GET", f"{ONE}/_metrics")
    assert status == 404 and "backend-1 is away" in answer["detail"] and "delete" in answer["detail"]
    overview = (await ask(client, "GET", f"{ONE}/_overview"))[1]
    assert (overview["status"], overview["metrics"]) == ("offline", "off")
    assert (await ask(client, "GET", "/meshes/default/_metrics"))[1]["proxies"]["total"] == 0
    # It can be changed as ever, and stays away; to delete it forgets it.
    assert await put_dataplane(client) == 200
    assert is_away((await api.store.list("Dataplane"))[0])
    assert (await ask(client, "DELETE", ONE))[0] == 200
    assert (await ask(client, "GET", f"{ONE}/_metrics"))[1]["detail"] == "Not found"


async def test_faults_of_a_body_have_the_lines_of_their_fields(client: ClientSession) -> None:
    text = (
        "type: Mesh\nname: m\nmetrics:\n  backends:\n  - type: prometheus\n    conf:\n      tls: {mode: x}\n"
        "      port: 80`\nrouting:\n  zoneEgress: true\n"
    )
    for body in (text.encode(), text.encode("utf-16")):
        async with client.put(
            "/meshes/m", data=body, headers={"Content-Type": "application/yaml"}
        ) as response:
            assert response.status == 400
            answer = await response.json()
        at = "metrics.backends[0].conf"
        assert [(fault["field"], fault["line"]) for fault in answer["invalid_parameters"]] == [
            (f"{at}.tls.mode", 7),
            (at, 8),
            ("mtls", 1),
        ]


async def test_a_list_of_one_and_odd_numbers_over_http(client: ClientSession) -> None:
    text = b"items:\n- type: Mesh\n  name: m\n  metrics:\n    backends: [{type: prometheus, conf: {port: 05670}}]\n"
    async with client.put("/meshes/m", data=text, headers={"Content-Type": "application/yaml"}) as response:
        assert response.status == 201
        assert (await response.json())["warnings"][0].startswith("body:5:48: 05670 has a leading zero")


@pytest.mark.attack("B7: who may read resources reads the credentials in them")
async def test_credentials_are_hidden_everywhere_and_survive_the_round_trip(
    client: ClientSession, api: ServedApi
) -> None:
    entry = {"name": "app", "port": 1, "params": {"token": "NEEDLE", "format": "prometheus"}}
    made = {**DATAPLANE, "metrics": {"type": "prometheus", "conf": {"aggregate": [entry]}}}
    async with client.put(ONE, json=made) as answer:
        assert answer.status == 201, await answer.text()
    await api.caught_up()
    kubernetes = "?format=kubernetes"
    shown: dict[str, Any] = {}
    for path in (
        ONE,
        ONE + kubernetes,
        "/dataplanes",
        f"{ONE}/_overview",
        "/dataplanes/_overview",
        f"{ONE}/_metrics",
    ):
        async with client.get(path) as answer:
            assert answer.status == 200
            text = await answer.text()
            assert "NEEDLE" not in text
            shown[path] = json.loads(text)
    for path in (ONE, ONE + kubernetes):
        async with client.post("/_apply?dry-run=true", json={"documents": [shown[path]]}) as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["results"][0]["result"] == "Unchanged"
    async with client.put(ONE, json=shown[ONE]) as answer:
        assert answer.status == 200
    changed = json.loads(json.dumps(shown[ONE]).replace('"port": 1,', '"port": 2,'))
    async with client.post("/_apply?dry-run=true", json={"documents": [changed]}) as answer:
        text = await answer.text()
        assert answer.status == 200 and "port: 2" in text and "NEEDLE" not in text
    async with client.post("/_apply", json={"documents": [changed]}) as answer:
        assert answer.status == 200
    stored = await api.store.get(Key("Dataplane", "default", "backend-1"))
    assert stored.spec.metrics.conf.aggregate[0].params["token"] == "NEEDLE"
    assert stored.spec.metrics.conf.aggregate[0].port == 2

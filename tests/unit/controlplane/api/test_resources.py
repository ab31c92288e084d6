"""The resource API over real sockets, with the real store."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientSession

from meshmeter.resources.resource import Key
from support.api_requests import DATAPLANE, ONE, ask, faults, put_dataplane
from support.api_server import ServedApi


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


async def test_bodies_have_a_limit_a_type_and_one_document(client: ClientSession) -> None:
    async def put(data: bytes, content_type: str = "application/json") -> int:
        async with client.put(ONE, data=BytesIO(data), headers={"Content-Type": content_type}) as response:
            assert (await response.json())["type"] == "/std-errors"
            return response.status

    assert await put(b" " * ((1 << 20) + 1)) == 413
    assert await put(b"{}", "text/html") == 415
    for body in (b"", b"{", b"[]", b"a: 1\n---\nb: 2\n", b"\xff", b"a: &a [*a]", b"type: \x00"):
        assert await put(body, "application/yaml") == 400


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


async def test_a_list_of_one_and_odd_numbers_over_http(client: ClientSession) -> None:
    text = b"items:\n- type: Mesh\n  name: m\n  metrics:\n    backends: [{type: prometheus, conf: {port: 05670}}]\n"
    async with client.put("/meshes/m", data=text, headers={"Content-Type": "application/yaml"}) as response:
        assert response.status == 201
        assert (await response.json())["warnings"][0].startswith("body:5:48: 05670 has a leading zero")

"""The state of proxies over real sockets, with the real store."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from aiohttp import ClientSession

from meshmeter.controlplane.admission.written_by import AGENT, AWAY, BROUGHT, REGISTERED, is_away, marked
from meshmeter.effective.pod_annotations import PREFIX
from meshmeter.injector.annotations import pod_metrics
from meshmeter.store.base import Put
from support.api_requests import ONE, ask, put_dataplane
from support.api_server import ServedApi


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


async def test_the_annotation_of_a_pod_is_told_as_the_origin_and_survives_the_store(
    api: ServedApi, client: ClientSession
) -> None:
    await put_dataplane(client)
    (found,) = await api.store.list("Dataplane")
    said = pod_metrics({PREFIX + "path": "/stats", PREFIX + "port": "no"})
    made = replace(
        found,
        meta=replace(found.meta, annotations=said.annotations),
        spec=found.spec.model_copy(update={"metrics": said.metrics}),
    )
    await api.store.commit([Put(made)])
    await api.caught_up()
    explained = (await ask(client, "GET", f"{ONE}/_metrics"))[1]
    assert explained["urls"] == ["http://192.168.0.1:5670/stats"]
    assert explained["settings"]["path"]["origin"] == {
        "layer": "annotation",
        "resource": "Pod backend-1",
        "field": f"metadata.annotations[{PREFIX}path]",
    }
    codes = [found["code"] for found in explained["findings"]]
    assert codes == ["pod-annotation-invalid", "proxy-not-connected"]
    # A change in the Universal form keeps the mark; what it changed is no longer the annotation's.
    await put_dataplane(client, metrics={"type": "prometheus", "conf": {"path": "/mine"}})
    await api.caught_up()
    explained = (await ask(client, "GET", f"{ONE}/_metrics"))[1]
    path = explained["settings"]["path"]
    assert (path["value"], path["origin"]["layer"]) == ("/mine", "Dataplane")


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

"""Requests to a served resource API, put shortly."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession

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

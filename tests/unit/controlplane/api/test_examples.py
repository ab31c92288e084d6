from __future__ import annotations

from aiohttp import ClientSession

from meshmeter.controlplane.api import examples
from meshmeter.controlplane.api.openapi import description
from support.api_requests import ask


async def test_every_example_works_as_it_stands(client: ClientSession) -> None:
    """In the order of the description, where what is written first is needed later."""
    tried = set()
    for path, item in description()["paths"].items():
        for method, operation in item.items():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                if "example" not in media:
                    continue
                given = {each["name"]: each["schema"] for each in operation["parameters"]}
                names = {
                    name: schema["examples"][0] for name, schema in given.items() if "examples" in schema
                }
                at = path.format(**names)
                async with client.request(method, at, json=media["example"]) as answer:
                    assert answer.status in (200, 201), (at, await answer.text())
                tried.add(operation["operationId"])
    bodies = {
        operation["operationId"]
        for item in description()["paths"].values()
        for operation in item.values()
        if "requestBody" in operation
    }
    assert bodies - tried == {"revokeToken"}, "what is to be revoked has to be issued before"


async def test_the_examples_are_stored_without_a_warning(client: ClientSession) -> None:
    documents = list(examples.DOCUMENTS.values())
    status, answer = await ask(client, "POST", "/_apply", {"documents": documents})
    assert status == 200 and [each["warnings"] for each in answer["results"]] == [[]] * len(documents)

from __future__ import annotations

from meshmeter.resources.container_patch import ContainerPatchSpec, Op, PatchOperation


def test_both_lists_have_operations_with_the_names_of_json_patch() -> None:
    spec = ContainerPatchSpec.model_validate(
        {
            "sidecarPatch": [{"op": "add", "path": "/env/-", "value": "1"}],
            "initPatch": [{"op": "move", "path": "/a", "from": "/b"}],
        }
    )

    assert spec == ContainerPatchSpec(
        sidecar_patch=(PatchOperation(op=Op.ADD, path="/env/-", value="1"),),
        init_patch=(PatchOperation(op=Op.MOVE, path="/a", from_="/b"),),
    )
    assert spec.model_dump(mode="json", by_alias=True, exclude_none=True)["initPatch"] == [
        {"op": "move", "path": "/a", "from": "/b"}
    ]

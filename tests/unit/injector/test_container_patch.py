from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmeter.documents.reader import parse_documents
from meshmeter.errors import InjectionRefused
from meshmeter.injector.container_patch import (
    ANNOTATION,
    DEEPEST_CONTAINER,
    LARGEST_CONTAINER,
    MOST_OPERATIONS,
    MOST_PATCHES,
    ContainerPatches,
)
from support.resources import CONTAINER_PATCH

SIDECAR: Mapping[str, Any] = {
    "name": "kuma-sidecar",
    "image": "meshmeter",
    "args": ["run", "--log-level=info"],
    "env": [{"name": "A", "value": "secret-of-a"}],
    "securityContext": {"runAsUser": 5678},
}


def patch(name: str, *operations: Mapping[str, str], field: str = "sidecarPatch") -> dict[str, Any]:
    return {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "ContainerPatch",
        "metadata": {"name": name, "namespace": "kuma-system"},
        "spec": {field: list(operations)},
    }


def op(op: str, path: str, value: Any = None, **others: str) -> dict[str, str]:
    return {"op": op, "path": path, **({} if value is None else {"value": json.dumps(value)}), **others}


def chosen(annotation: str, *stored: dict[str, Any], configured: tuple[str, ...] = ()) -> ContainerPatches:
    return ContainerPatches.chosen(
        {ANNOTATION: annotation},
        configured,
        {document["metadata"]["name"]: document for document in stored},
        system_namespace="kuma-system",
    )


def applied(*operations: Mapping[str, str], to: Mapping[str, Any] = SIDECAR) -> dict[str, Any]:
    return chosen("p", patch("p", *operations)).to_sidecar(to)


def refusal(*operations: Mapping[str, str], to: Mapping[str, Any] = SIDECAR) -> str:
    with pytest.raises(InjectionRefused) as refused:
        applied(*operations, to=to)
    return str(refused.value)


def test_the_files_of_a_certificate_are_told_to_the_sidecar_and_mounted() -> None:
    (page,) = parse_documents(CONTAINER_PATCH, origin="page.yaml")
    mount = {"name": "certificate", "mountPath": "/kuma", "readOnly": True}

    patches = chosen(
        "container-patch-1,mount", page.data, patch("mount", op("add", "/volumeMounts/-", mount))
    )

    assert patches.to_sidecar(SIDECAR) == {
        **SIDECAR,
        "env": [
            *SIDECAR["env"],
            {"name": "KUMA_DATAPLANE_RUNTIME_METRICS_CERT_PATH", "value": "/kuma/server.crt"},
            {"name": "KUMA_DATAPLANE_RUNTIME_METRICS_KEY_PATH", "value": "/kuma/server.key"},
        ],
        "volumeMounts": [mount],
    }


def test_a_pod_that_names_no_patches_keeps_its_containers() -> None:
    patches = ContainerPatches.chosen({}, (), {"p": patch("p")}, system_namespace="kuma-system")

    assert patches.to_sidecar(SIDECAR) == SIDECAR
    assert patches.to_init(SIDECAR) == SIDECAR


def test_those_of_the_configuration_come_first_and_then_those_of_the_annotation_in_its_order() -> None:
    stored = [patch(name, op("add", "/args/-", name)) for name in "abc"]

    patches = chosen(" c ,b,, ", *stored, configured=("a",))

    assert patches.to_sidecar(SIDECAR)["args"] == [*SIDECAR["args"], "a", "c", "b"]


def test_a_later_patch_sees_what_an_earlier_one_did() -> None:
    first = patch("first", op("add", "/securityContext/privileged", False))
    second = patch("second", op("replace", "/securityContext/privileged", True))

    assert chosen("first,second", first, second).to_sidecar(SIDECAR)["securityContext"]["privileged"] is True
    with pytest.raises(InjectionRefused, match=r'could not apply patches \["second" "first"\]: "second": '):
        chosen("second,first", first, second).to_sidecar(SIDECAR)


def test_each_list_is_for_its_own_container() -> None:
    document = patch("p", op("add", "/args/-", "s"))
    document["spec"]["initPatch"] = [op("remove", "/securityContext/runAsUser")]
    patches = chosen("p", document)

    assert patches.to_sidecar(SIDECAR) == {**SIDECAR, "args": [*SIDECAR["args"], "s"]}
    assert patches.to_init(SIDECAR) == {**SIDECAR, "securityContext": {}}


def test_the_container_that_is_given_stays_as_it_is() -> None:
    before = copy.deepcopy(SIDECAR)

    applied(op("add", "/env/-", {"name": "B"}), op("remove", "/args/0"))

    assert before == SIDECAR


@pytest.mark.parametrize("missing", ["x", "x,y,x"])
def test_missing_patches_are_named(missing: str) -> None:
    with pytest.raises(InjectionRefused) as refused:
        chosen(f"p,{missing}", patch("p"))

    names = " ".join(f'"{name}"' for name in dict.fromkeys(missing.split(",")))
    assert str(refused.value) == f"it appears some expected container patches are missing: [{names}]"


def test_a_patch_that_is_broken_costs_only_pods_that_name_it() -> None:
    broken = patch("broken", {"op": "add", "path": "/args/-", "value": "no JSON"})
    whole = patch("whole", op("add", "/args/-", "x"))

    assert chosen("whole", whole, broken).to_sidecar(SIDECAR)["args"][-1] == "x"
    with pytest.raises(InjectionRefused) as refused:
        chosen("whole,broken", whole, broken)
    expected = 'could not apply patches ["whole" "broken"]: "broken": spec.sidecarPatch[0].value: must be a string that'
    assert str(refused.value).startswith(expected)


def test_a_pod_cannot_name_very_many() -> None:
    names = ",".join(["p"] * (MOST_PATCHES + 1))

    with pytest.raises(InjectionRefused, match=f"{MOST_PATCHES + 1} container patches"):
        chosen(names, patch("p"))


@pytest.mark.parametrize(
    ("before", "operation", "after"),
    [
        ({"foo": "bar"}, op("add", "/baz", "qux"), {"foo": "bar", "baz": "qux"}),
        ({"foo": ["bar", "baz"]}, op("add", "/foo/1", "qux"), {"foo": ["bar", "qux", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, op("remove", "/baz"), {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, op("remove", "/foo/1"), {"foo": ["bar", "baz"]}),
        ({"baz": "qux"}, op("replace", "/baz", "boo"), {"baz": "boo"}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            op("move", "/qux/thud", **{"from": "/foo/waldo"}),
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            op("move", "/foo/3", **{"from": "/foo/1"}),
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        ({"a": [1]}, op("copy", "/b", **{"from": "/a"}), {"a": [1], "b": [1]}),
        (
            {"foo": "bar"},
            op("add", "/child", {"grandchild": {}}),
            {"foo": "bar", "child": {"grandchild": {}}},
        ),
        ({"foo": ["bar"]}, op("add", "/foo/-", ["abc", "def"]), {"foo": ["bar", ["abc", "def"]]}),
        ({"/": 9, "~1": 10}, op("replace", "/~01", 0), {"/": 9, "~1": 0}),
        ({}, {"op": "add", "path": "/a", "value": "null"}, {"a": None}),
        ({"a": 1}, op("remove", "/a", value="1"), {}),
    ],
)
def test_operations_are_those_of_rfc_6902(
    before: dict[str, Any], operation: dict[str, str], after: dict[str, Any]
) -> None:
    assert applied(operation, to=before) == after


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("/lifecycle/preStop/exec", {"lifecycle": {"preStop": {"exec": 1}}}),
        ("/ports/-", {"ports": [1]}),
        ("/ports/0", {"ports": [1]}),
        ("/ports/-/containerPort", {"ports": [{"containerPort": 1}]}),
        ("/ports/0/containerPort", {"ports": [{"containerPort": 1}]}),
        ("/a~1b/c~0d", {"a/b": {"c~d": 1}}),
    ],
)
def test_add_makes_the_places_that_lead_to_its_own(path: str, made: dict[str, Any]) -> None:
    assert applied(op("add", path, 1)) == {**SIDECAR, **made}


def test_add_keeps_what_is_there_on_its_way() -> None:
    patched = applied(op("add", "/env/1/name", "B"), op("add", "/env/1/value", "b"))

    assert patched["env"] == [*SIDECAR["env"], {"name": "B", "value": "b"}]


@pytest.mark.parametrize(
    "operation",
    [
        op("remove", "/nothing"),
        op("remove", "/args/2"),
        op("remove", "/args/-"),
        op("remove", "/args/01"),
        op("remove", "/image/0"),
        op("replace", "/nothing", 1),
        op("replace", "/lifecycle/preStop", 1),
        op("replace", "/args/-", 1),
        op("add", "/args/3", 1),
        op("add", "/args/x", 1),
        op("add", "/ports/1", 1),
        op("add", "/args/4/x", 1),
        op("add", "/args/-1/x", 1),
        op("add", "/image/x", 1),
        op("add", "/image/x/y", 1),
        op("copy", "/x", **{"from": "/nothing"}),
        op("copy", "/x", **{"from": "/image/0"}),
        op("move", "/x/y", **{"from": "/image"}),
        op("move", "/args/0/x", **{"from": "/args/0"}),
    ],
)
def test_what_does_not_fit_the_container_is_refused_with_its_place(operation: dict[str, str]) -> None:
    said = refusal(op("add", "/workingDir", "/"), operation)

    head = f'could not apply patches ["p"]: "p": sidecarPatch[1]: {operation["op"]} {operation["path"]}: '
    assert said.startswith(head) and len(said) > len(head)
    assert "secret-of-a" not in said


def test_a_patch_that_doubles_the_container_with_every_operation_is_stopped() -> None:
    doubling = op("copy", "/args/-", **{"from": "/args"})

    assert f"more than {LARGEST_CONTAINER}" in refusal(*[doubling] * 200)


def test_a_pod_cannot_have_a_patch_applied_again_and_again() -> None:
    replacing = patch("p", *[op("replace", "/image", "x")] * 250)

    assert chosen("p,p", replacing).to_sidecar(SIDECAR)["image"] == "x"
    with pytest.raises(
        InjectionRefused, match=f"sidecarPatch has more than {MOST_OPERATIONS} operations in all"
    ):
        chosen("p,p,p", replacing).to_sidecar(SIDECAR)


def test_a_container_may_not_be_larger_than_a_limit() -> None:
    large = "x" * 60_000
    said = refusal(*[op("add", f"/x{i}", large) for i in range(5)])

    assert "sidecarPatch[4]: add /x4: the container would have " in said
    assert f"more than {LARGEST_CONTAINER}" in said


def test_a_container_may_not_be_nested_deeper_than_a_limit() -> None:
    down = "/a" * 20
    deeper = [op("add", down, 1)] + [op("copy", down, **{"from": "/a"})] * 4

    assert f"nested more than {DEEPEST_CONTAINER} levels deep" in refusal(*deeper)


_POINTERS = st.lists(
    st.sampled_from(["env", "args", "image", "a", "-", "0", "1", "01", "", "~0", "~2"]), max_size=4
).map(lambda parts: "".join(f"/{part}" for part in parts))
_OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": _POINTERS},
    optional={
        "from": _POINTERS,
        "value": st.sampled_from(["1", "null", "[]", "{}", '"s"', "text"]) | st.text(max_size=4),
    },
)


@given(st.lists(_OPERATIONS, max_size=5))
def test_whatever_is_written_is_applied_or_refused_in_one_line(operations: list[dict[str, str]]) -> None:
    before = copy.deepcopy(SIDECAR)
    try:
        patched = applied(*operations)
    except InjectionRefused as refused:
        assert str(refused).isprintable()
    else:
        assert json.loads(json.dumps(patched)) == patched
    assert before == SIDECAR

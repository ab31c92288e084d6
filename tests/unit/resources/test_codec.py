from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshmeter.addresses import is_metadata, is_wildcard
from meshmeter.documents.faults import located
from meshmeter.documents.reader import Parsed, parse_documents, read_documents
from meshmeter.errors import InvalidResource
from meshmeter.resources.base import Model
from meshmeter.resources.codec import (
    decode,
    decode_container_patch,
    from_stored,
    to_kubernetes,
    to_stored,
    to_universal,
)
from meshmeter.resources.kinds import KINDS, Kind
from meshmeter.resources.resource import AnyResource
from meshmeter.resources.validation.rules import violations, warnings
from support.resources import CONTAINER_PATCH

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def faults_of(document: Any, where: str = "") -> list[str]:
    with pytest.raises(InvalidResource) as refused:
        decode(document, where=where)
    return [str(violation) for violation in refused.value.violations]


def test_all_faults_are_named_together() -> None:
    document = {
        "type": "Mesh",
        "name": "My_Mesh",
        "metrics": {
            "enabledBackend": "b",
            "backends": [
                {
                    "name": "a",
                    "type": "prometheus",
                    "conf": {"prot": 1, "port": "x", "path": "metrics", "aggregate": [{}, {}]},
                }
            ],
        },
    }

    conf = "metrics.backends[0].conf"
    found = faults_of(document)

    assert f'{conf}.prot: unknown field, did you mean "port"?' in found
    assert f'{conf}: could not parse config: port: must be a whole number, got "x"' in found
    assert f'{conf}.path: path must start with "/"' in found
    assert f"{conf}.aggregate[1].name: duplicate entry: , values have to be unique" in found
    assert "metrics.enabledBackend: has to be set to one of the backends in the mesh" in found
    assert found[2].startswith("name: invalid characters")
    assert len(found) == 6


def test_a_value_that_cannot_be_read_is_not_also_called_missing() -> None:
    inbound = {"port": "80`", "tags": {"kuma.io/service": 1}}
    networking = {"address": 1, "inbound": [inbound]}

    found = faults_of({"type": "Dataplane", "mesh": "m", "name": "d", "networking": networking})

    assert found == [
        "networking.address: must be a string, got 1: write it in quotes",
        'networking.inbound[0].port: must be a whole number, got "80`"',
        'networking.inbound[0].tags["kuma.io/service"]: must be a string, got 1: write it in quotes',
    ]


def test_the_documentation_s_stray_back_tick_names_field_and_value() -> None:
    text = "type: Dataplane\nmesh: m\nname: d\nnetworking: {address: 10.0.0.1}\nmetrics:\n"
    text += "  type: prometheus\n  conf:\n    aggregate:\n    - name: application\n      port: 80`\n"
    (document,) = read_documents(text, origin="dp.yaml").documents

    with pytest.raises(InvalidResource) as refused:
        decode(document.data)

    assert [str(violation) for violation in located(document, refused.value.violations)] == [
        "dp.yaml:10: metrics.conf: could not parse config: aggregate[0].port: must be a whole number,"
        ' got "80`"'
    ]


def test_fields_are_where_the_document_has_them() -> None:
    assert faults_of({"type": "Mesh", "name": "", "spec": {"routing": {"zoneEgress": True}}}) == [
        "name: cannot be empty",
        "mtls: has to be set when zoneEgress enabled",
    ]
    document = {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "Mesh",
        "metadata": {"name": "", "labels": {"a b": ""}},
        "spec": {"metrics": {"enabledBackend": "x"}},
    }
    found = [fault.partition(": ")[0] for fault in faults_of(document, where="documents[3].")]
    assert found == [
        "documents[3].metadata.name",
        'documents[3].metadata.labels["a b"]',
        "documents[3].spec.metrics.enabledBackend",
    ]


def test_a_document_is_a_mapping() -> None:
    assert faults_of([], where="documents[0].") == [
        "documents[0]: a document must be a mapping with type, name and so on, not a list"
    ]


def test_the_universal_form() -> None:
    permission = decode(
        {
            "type": "TrafficPermission",
            "mesh": "m",
            "name": "n",
            "labels": {"a": "b"},
            "sources": [{"match": {"kuma.io/service": "*"}}],
            "destinations": [{"match": {"kuma.io/service": "*"}}],
        }
    )
    written = datetime(2024, 5, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    stored = replace(permission, meta=replace(permission.meta, modification_time=written))

    document = to_universal(stored)

    assert list(document)[:5] == ["type", "mesh", "name", "creationTime", "modificationTime"]
    assert document["creationTime"] == "0001-01-01T00:00:00Z"
    assert document["modificationTime"] == "2024-05-01T12:00:00.500000Z"
    assert document["labels"] == {"a": "b"}
    assert document["sources"] == [{"match": {"kuma.io/service": "*"}}]


def test_the_kubernetes_form() -> None:
    document = {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "Dataplane",
        "mesh": "m",
        "metadata": {
            "name": "pod-1",
            "namespace": "shop",
            "labels": {"a": "b"},
            "annotations": {"kuma.io/display-name": "pod-1", "note": "x"},
        },
        "spec": {"networking": {"address": "10.0.0.1"}},
    }

    assert to_kubernetes(decode(document)) == document


def test_a_mesh_without_settings_has_no_spec_in_kubernetes() -> None:
    assert to_kubernetes(decode({"type": "Mesh", "name": "a"})) == {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "Mesh",
        "metadata": {"name": "a", "annotations": {"kuma.io/display-name": "a"}},
    }


def test_what_was_set_to_false_or_to_nothing_stays_set() -> None:
    conf = {"skipMTLS": False, "envoy": {"usedOnly": False, "filterRegex": ""}, "tags": {}, "tls": {}}
    metrics = {"backends": [{"type": "prometheus", "conf": conf}]}

    document = to_universal(decode({"type": "Mesh", "name": "a", "metrics": metrics}))

    assert document["metrics"] == metrics


def test_the_form_of_the_store_loses_nothing() -> None:
    document = {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "Dataplane",
        "mesh": "m",
        "metadata": {"name": "pod-1", "namespace": "shop", "labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {"networking": {"address": "10.0.0.1"}},
    }
    resource = decode(document)
    now = datetime(2024, 5, 1, tzinfo=UTC)
    meta = replace(resource.meta, version=3, creation_time=now, modification_time=now)
    resource = replace(resource, meta=meta)

    assert from_stored(json.loads(json.dumps(to_stored(resource)))) == resource


def test_fields_of_a_newer_version_do_not_disturb_the_store() -> None:
    stored = to_stored(decode({"type": "Mesh", "name": "a", "metrics": {}}))
    newer = stored | {"new": 1, "spec": {"metrics": {"new": 1}, "new": {}}}

    assert from_stored(newer) == from_stored(stored)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"kind": "X"},
        {"kind": []},
        {"kind": "Mesh"},
        {"kind": "Mesh", "name": "a", "mesh": "", "creationTime": "x"},
    ],
)
def test_what_is_not_of_the_store_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(InvalidResource):
        from_stored(broken)


def test_a_stored_value_of_the_wrong_type_is_refused() -> None:
    stored = to_stored(decode({"type": "Mesh", "name": "a"}))

    with pytest.raises(InvalidResource, match="stored Mesh cannot be read"):
        from_stored(stored | {"spec": {"metrics": 1}})


def decoded(written: Parsed) -> list[AnyResource]:
    assert not written.faults
    return [decode(document.data) for document in written.documents]


def example_texts() -> dict[str, str]:
    variables = {"address": "127.0.0.2"}
    return {
        str(path.relative_to(EXAMPLES)): re.sub(
            r"\{\{ (\w+) \}\}", lambda match: variables.get(match[1], "8080"), path.read_text()
        )
        for path in sorted(EXAMPLES.rglob("*.yaml"))
    }


@pytest.mark.parametrize("name", example_texts())
def test_every_example_is_valid_and_says_what_it_shows(name: str) -> None:
    text = example_texts()[name]

    resources = decoded(read_documents(text, origin=name))

    assert text.startswith("# ")
    assert resources
    for resource in resources:
        older = [warning for warning in warnings(resource) if "skipMTLS" in warning.field]
        assert bool(older) == name.endswith("skip-mtls.yaml")


def test_every_field_that_kuma_knows_is_taken() -> None:
    file = Path(__file__).resolve().parents[2] / "data" / "every-field-of-kuma.yaml"
    written = read_documents(file.read_bytes(), origin=file.name)

    resources = decoded(written)

    ignored = {"kri", "creationTime", "modificationTime"}
    for document, resource in zip(written.documents, resources, strict=True):
        kept = to_universal(resource)
        assert {key: value for key, value in kept.items() if key not in ignored} == {
            key: value for key, value in document.data.items() if key not in ignored
        }


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()

    for name in example_texts():
        file = Path(name).name
        assert file.endswith("-skip-mtls.yaml") or f"`{file}`" in listed


names = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=8)
tags = st.dictionaries(st.sampled_from(["kuma.io/service", "version", "a.b"]), names, max_size=2)
ports = st.integers(1, 65535)
http_paths = st.from_regex(r"/[a-z/]{0,10}", fullmatch=True)
entries = st.fixed_dictionaries(
    {}, optional={"port": ports, "path": http_paths, "enabled": st.booleans(), "address": names}
)
confs = st.fixed_dictionaries(
    {},
    optional={
        "port": ports,
        "path": http_paths,
        "tags": tags,
        "tls": st.fixed_dictionaries(
            {}, optional={"mode": st.sampled_from(["activeMTLSBackend", "providedTLS", "disabled"])}
        ),
        "envoy": st.fixed_dictionaries({}, optional={"usedOnly": st.booleans(), "filterRegex": names}),
        "aggregate": st.dictionaries(names, entries, max_size=3).map(
            lambda by_name: [{"name": name, **entry} for name, entry in by_name.items()]
        ),
    },
)
mesh_specs = st.fixed_dictionaries(
    {},
    optional={
        "metrics": confs.map(lambda c: {"backends": [{"name": "p", "type": "prometheus", "conf": c}]}),
        "tracing": st.dictionaries(words, st.one_of(words, st.lists(words, max_size=2)), max_size=2),
        "skipCreatingInitialPolicies": st.lists(words, max_size=2),
    },
)
meshes = st.builds(lambda name, spec: {"type": "Mesh", "name": name, **spec}, names, mesh_specs)
dataplanes = st.builds(
    lambda name, ip, conf: {
        "type": "Dataplane",
        "mesh": "m",
        "name": name,
        "networking": {"address": str(ip), "inbound": [{"port": 80, "tags": {"kuma.io/service": name}}]},
        "metrics": {"type": "prometheus", "conf": conf},
    },
    names,
    st.ip_addresses().filter(lambda ip: not is_wildcard(str(ip)) and not is_metadata(str(ip))),
    confs,
)
permissions = st.builds(
    lambda name, match: {
        "type": "TrafficPermission",
        "mesh": "m",
        "name": name,
        "sources": [{"match": match}],
        "destinations": [{"match": {"kuma.io/service": "*"}}],
    },
    names,
    st.dictionaries(st.sampled_from(["kuma.io/service", "version"]), names, min_size=1, max_size=2),
)


def odd_values(annotation: Any) -> Iterator[Any]:
    """Values of every type for a field of this annotation, and for whatever is inside it."""
    yield from (
        None,
        True,
        3,
        0.5,
        "x",
        [],
        {},
        [None],
        [[]],
        [3],
        ["x"],
        [{}, None],
        {"x": None},
        {"x": 3},
        {3: "x"},
    )
    if isinstance(annotation, type) and issubclass(annotation, Model):
        for name, field in annotation.model_fields.items():
            yield from ({field.alias or name: value} for value in odd_values(field.annotation))
    for inner in get_args(annotation):
        as_list = get_origin(annotation) is tuple
        yield from ([value] if as_list else value for value in odd_values(inner))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_value_of_any_type_in_any_field_is_decoded_or_refused(kind: Kind, wrapped: bool) -> None:
    head = {"type": kind.name, "name": "a"} | ({"mesh": "default"} if kind.mesh_scoped else {})
    for spec in odd_values(kind.spec):
        if isinstance(spec, dict):
            try:
                decode(head | ({"spec": spec} if wrapped else spec))
            except InvalidResource as refused:
                assert refused.violations, spec


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Other work on the machine must not fail a test."""


@unhurried
@given(meshes | dataplanes | permissions)
def test_a_round_trip_changes_nothing(document: dict[str, Any]) -> None:
    resource: AnyResource = decode(document)

    assert decode(to_universal(resource)) == resource
    assert decode(to_kubernetes(resource)) == resource
    assert from_stored(to_stored(resource)) == resource
    (parsed,) = parse_documents(json.dumps(to_universal(resource)), origin="f.json")
    assert decode(parsed.data) == resource


keys = st.sampled_from(
    "type kind apiVersion name mesh labels metadata spec metrics mtls networking backends conf aggregate tags tls mode"
    " port path address inbound outbound gateway admin sources destinations match enabledBackend envoy filterRegex"
    " dpCert cert key inline annotations".split()
)
json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["Mesh", "Dataplane", "TrafficPermission", "kuma.io/v1alpha1", "prometheus", "provided"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(), inner, max_size=6),
    max_leaves=30,
)


@unhurried
@given(
    st.dictionaries(keys | st.text(), json_like, max_size=6),
    st.sampled_from(["Mesh", "Dataplane", "TrafficPermission"]),
    st.booleans(),
)
def test_any_document_is_decoded_or_refused(document: dict[str, Any], kind: str, kubernetes: bool) -> None:
    document["kind" if kubernetes else "type"] = kind
    try:
        resource = decode(document)
    except InvalidResource as refused:
        assert refused.violations
    else:
        assert violations(resource) == []
        warnings(resource)


def patch_faults(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidResource) as refused:
        decode_container_patch(document, system_namespace="kuma-system")
    return [str(violation) for violation in refused.value.violations]


def test_a_container_patch_is_read_and_written_as_an_object_of_kubernetes() -> None:
    (document,) = parse_documents(CONTAINER_PATCH, origin="page.yaml")

    resource = decode_container_patch(document.data, system_namespace="kuma-system")

    assert resource.name == "container-patch-1.kuma-system"
    operations = resource.spec.sidecar_patch or ()
    assert [json.loads(operation.value or "")["value"] for operation in operations] == [
        "/kuma/server.crt",
        "/kuma/server.key",
    ]
    again = to_kubernetes(resource)
    assert again["metadata"]["namespace"] == "kuma-system"
    assert again["spec"] == document.data["spec"]
    assert decode_container_patch(again, system_namespace="kuma-system") == resource


def test_all_faults_of_a_container_patch_are_named_together() -> None:
    document = {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "ContainerPatch",
        "mesh": "no use",
        "metadata": {"name": "P", "namespace": "shop"},
        "spec": {
            "sidecarPatch": [
                {"op": "ad", "path": "/a", "value": False},
                {"op": "add", "path": "/a", "valeu": "1"},
            ]
        },
    }

    found = patch_faults(document)

    at = "spec.sidecarPatch"
    assert found[0].startswith(f'{at}[0].op: unknown value "ad", must be one of "add", ')
    assert found[1] == f"{at}[0].value: must be a string, got false: write it in quotes"
    assert found[2] == f'{at}[1].valeu: unknown field, did you mean "value"?'
    assert found[3].startswith("metadata.name: invalid characters")
    assert found[4].startswith(f"{at}[1].value: cannot be empty")
    assert found[5].startswith(
        "metadata.namespace: ContainerPatch can only be placed in kuma-system namespace."
    )
    assert len(found) == 6


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"type": "ContainerPatch", "name": "p"}, "type: a ContainerPatch is an object of Kubernetes: "),
        ({}, "a ContainerPatch is an object of Kubernetes: "),
        (
            {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh"},
            'kind: invalid resource type "Mesh", must be one of ContainerPatch',
        ),
    ],
)
def test_nothing_else_is_a_container_patch(document: dict[str, Any], fault: str) -> None:
    assert patch_faults(document)[0].startswith(fault)


def test_a_container_patch_is_no_document_of_the_stores_and_the_command_line() -> None:
    (fault,) = faults_of({"type": "ContainerPatch", "name": "p"})

    assert fault.startswith('type: invalid resource type "ContainerPatch", must be one of Mesh, ')

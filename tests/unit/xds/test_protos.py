"""Messages out of the private pool."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool

from meshmeter.errors import StartupError
from meshmeter.xds import protos

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"


def test_a_document_becomes_a_message_and_back() -> None:
    packed: Any = protos.to_any({"@type": CLUSTER, "name": "a", "connect_timeout": "1.5s", "type": "EDS"})
    assert packed.type_url == CLUSTER
    assert protos.to_dict(packed) == {
        "@type": CLUSTER,
        "name": "a",
        "connectTimeout": "1.500s",
        "type": "EDS",
    }


def test_the_pool_is_private() -> None:
    protos.message("envoy.config.cluster.v3.Cluster")
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("envoy.config.cluster.v3.Cluster")
    assert not any(name.startswith("envoy.config") for name in sys.modules)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"nmae": "a"}, "nmae"),
        ({"connectTimeout": "soon"}, "connectTimeout"),
        ({"transportSocket": {"typedConfig": {"@type": "type.googleapis.com/no.such.Type"}}}, "no.such.Type"),
    ],
)
def test_a_fault_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        protos.to_any({"@type": CLUSTER, **fields})


def test_an_unknown_message_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        protos.message("no.such.Message")


def test_a_package_that_was_not_built_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protos, "files", lambda _package: tmp_path)
    with pytest.raises(StartupError, match="make setup"):
        protos.read_descriptors()

from __future__ import annotations

from meshmeter.documents.faults import exact_path, located
from meshmeter.documents.reader import read_documents
from meshmeter.errors import Violation


def test_the_field_that_is_meant() -> None:
    assert exact_path(Violation("a.conf", "must be a mapping")) == "a.conf"
    assert exact_path(Violation("a.conf", "could not parse config: must be a mapping")) == "a.conf"
    assert exact_path(Violation("a.conf", "could not parse config: b[1].c: must be x: y")) == "a.conf.b[1].c"
    assert exact_path(Violation("a", 'could not parse config: tags["x: y"]: no')) == 'a.tags["x: y"]'


def test_faults_of_a_document_become_faults_of_its_text() -> None:
    (document,) = read_documents(
        "items:\n- type: Mesh\n  name: m\n  metrics:\n    x: 1\n", origin="f"
    ).documents

    found = located(document, [Violation("metrics.x", "a"), Violation("mesh", "b"), Violation("", "c")])

    assert list(map(str, found)) == ["f:5: metrics.x: a", "f:2: mesh: b", "f:2: c"]

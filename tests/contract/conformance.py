"""The conformance tree: cases come from its MANIFEST.json, never by name.

The tree is found by `MESHMETER_CONFORMANCE`, by default `../shared/conformance` beside the checkout. A case is one
YAML file or a folder with a `case.yaml`; either way it is a mapping with `id` and `kind`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

TREE = Path(
    os.environ.get("MESHMETER_CONFORMANCE") or Path(__file__).resolve().parents[3] / "shared" / "conformance"
)


@dataclass(frozen=True)
class Case:
    """One vector."""

    id: str
    kind: str
    folder: Path
    """Where the files that the case names are."""
    data: dict[str, Any]

    def text(self, key: str) -> str:
        """The content of the file that `data[key]` names."""
        return (self.folder / self.data[key]).read_text()

    def yaml(self, key: str) -> Any:
        """The content of the file that `data[key]` names, parsed."""
        return yaml.safe_load(self.text(key))


READ: set[str] = set()
"""The ids of all cases that a test has taken."""

LEFT_OUT: dict[str, str] = {}
"""The ids of cases that a rule over their content took out of a test, with the reason."""

ABSENT = Case("absent", "absent", TREE, {})
"""Stands for the cases of a test that this tree has none for, which is then deselected."""


def is_there() -> bool:
    """Whether there is a tree."""
    return (TREE / "MANIFEST.json").exists()


def manifest() -> list[dict[str, Any]]:
    """The entries of the tree: `area`, `id`, `kind`, `files`. Empty when there is no tree."""
    return json.loads((TREE / "MANIFEST.json").read_text())["cases"] if is_there() else []  # type: ignore[no-any-return]  # JSON


def load(area: str, *kinds: str) -> list[Case]:
    """All cases of an area of the given kinds. Empty when there is no tree."""
    found = []
    for entry in manifest():
        if entry["area"] != area or entry["kind"] not in kinds:
            continue
        files = [TREE / name for name in entry["files"]]
        main = next((f for f in files if f.name == "case.yaml"), files[0])
        data = yaml.safe_load(main.read_text())
        found.append(Case(entry["id"], entry["kind"], main.parent, data))
    return found


def vectors(
    area: str, *kinds: str, unless: Callable[[dict[str, Any]], str | None] = lambda _data: None
) -> pytest.MarkDecorator:
    """Parametrize a test with `case` over the cases of an area of these kinds.

    `unless` gives the reason why the content of a case is out of this test's scope; such cases are not collected.
    """
    cases = []
    for case in load(area, *kinds):
        if reason := unless(case.data):
            LEFT_OUT[case.id] = reason
        else:
            cases.append(case)
            READ.add(case.id)
    return pytest.mark.parametrize("case", cases or [ABSENT], ids=lambda case: case.id.split("/", 1)[-1])

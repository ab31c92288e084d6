"""The conformance tree: cases come from its MANIFEST.json, never by name.

The tree is found by `MESHMETER_CONFORMANCE`, by default `../shared/conformance` beside the checkout. A case is one
YAML file or a folder with a `case.yaml`; either way it is a mapping with `id` and `kind`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.require import missing

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


def load(area: str, *kinds: str) -> list[Case]:
    """All cases of an area, of the given kinds or of all. Empty when there is no tree."""
    manifest = TREE / "MANIFEST.json"
    if not manifest.exists():
        return []
    found = []
    for entry in json.loads(manifest.read_text())["cases"]:
        if entry["area"] != area or (kinds and entry["kind"] not in kinds):
            continue
        files = [TREE / name for name in entry["files"]]
        main = next((f for f in files if f.name == "case.yaml"), files[0])
        data = yaml.safe_load(main.read_text())
        found.append(Case(entry["id"], entry["kind"], main.parent, data))
    return found


def vectors(area: str, *kinds: str) -> pytest.MarkDecorator:
    """Parametrize a test with `case` over an area. Without a tree: one skip, or a failure in CI."""
    cases = load(area, *kinds)
    if not cases:
        cases = [Case(f"{area}/absent", "absent", TREE, {})]
    return pytest.mark.parametrize("case", cases, ids=[c.id.split("/", 1)[-1] for c in cases])


def need(case: Case) -> None:
    """Skip when this tree has no such cases; when there is no tree at all, skip, or fail in CI."""
    if case.kind != "absent":
        return
    if not (TREE / "MANIFEST.json").exists():
        missing("conformance tree", f"no MANIFEST.json in {TREE}; set MESHMETER_CONFORMANCE")
    pytest.skip(f"the conformance tree {TREE} has no such cases of {case.id.split('/')[0]}")

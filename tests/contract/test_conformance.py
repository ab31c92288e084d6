"""Every case of the tree is read, or its kind is listed as unread with the reason."""

from __future__ import annotations

import importlib
from pathlib import Path

from contract.conformance import LEFT_OUT, READ, TREE, is_there, manifest
from contract.unread import UNREAD


def read_cases() -> set[str]:
    """The ids that the tests of this folder take, whichever of them are selected in this run."""
    for module in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"contract.{module.stem}")
    return READ | set(LEFT_OUT)


def test_there_is_a_tree() -> None:
    assert is_there(), f"no MANIFEST.json in {TREE}: set MESHMETER_CONFORMANCE to a conformance tree"


def test_every_case_is_read_or_its_kind_is_listed() -> None:
    read = read_cases()
    forgotten = [
        entry["id"]
        for entry in manifest()
        if entry["id"] not in read and (entry["area"], entry["kind"]) not in UNREAD
    ]
    assert not forgotten, f"no test reads {forgotten}"


def test_the_list_of_unread_kinds_names_none_that_is_read() -> None:
    read = read_cases()
    obsolete = {(entry["area"], entry["kind"]) for entry in manifest() if entry["id"] in read} & set(UNREAD)
    assert not obsolete, f"contract/unread.py still lists {sorted(obsolete)}"

"""scripts/check_citations.py: what leads nowhere is named with file and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "check_citations.py"

PAGES = {
    "docs/reference/kuma-facts.md": "# Formats\n\n## 1 Resources\n\n### 1.2 Names\n\n```\n## 3 no heading\n```\n",
    "docs/reference/design.md": "## 1 Processes\n\n## 2 Layout\n",
    "docs/reference/deviations.md": '| # | |\n|---|---|\n| <a id="d1"></a>D1 | x |\n| <a id="d2"></a>D2 | x |\n',
    "src/meshmeter/store/__init__.py": "",
    "src/meshmeter/store/base.py": "class Store:\n    async def commit(self) -> None: ...\n",
    "docs/architecture.md": "[`store`](../src/meshmeter/store)\n",
    "docs/decisions/0003-a-note.md": "# 3. A note\n\n## A *plain* `heading`, twice\n\n## A plain heading twice\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in PAGES.items():
        write(tmp_path, name, text)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def check(root: Path) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, PROGRAM, root], capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("src/a.py", '"""A (kuma-facts 1.2, design 1, 2, deviations D1-D2, decision 0003)."""'),
        ("src/a.py", '"""A sentence (kuma-facts\n    1.2, deviations\n    D2)."""'),
        ("src/a.py", "# As kuma-facts\n# 1 to 1.2 say\n"),
        ("native/src/lib.rs", "/// As kuma-facts\n/// 1.2 says\n"),
        ("tests/test_a.py", '"""D1, D2: a rule"""'),
        ("docs/a.md", "[a](decisions/0003-a-note.md) [b](reference/deviations.md#d2) [c](#here)\n# Here"),
        ("docs/a.md", "[a](decisions/0003-a-note.md#a-plain-heading-twice-1)"),
        ("docs/a.md", "[a](reference/kuma-facts.md#12-names) [b](https://example.org/none) docs/decisions/"),
        (
            "docs/a.md",
            "[`Store.commit`](../src/meshmeter/store/base.py) [a word](../src/meshmeter/store/base.py)",
        ),
        ("src/a.py", '"""`store.base`, `store.base.Store.commit`, `spec.nothing`, `agent.sock`"""'),
        ("docs/a.md", "```\n[a](nowhere.md)\n```\n"),
    ],
)
def test_what_leads_somewhere_is_no_fault(tree: Path, file: str, text: str) -> None:
    write(tree, file, text)
    code, lines = check(tree)
    assert (code, len(lines)) == (0, 1), lines
    assert lines[0].endswith("each leads somewhere")


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("src/a.py", '"""\nkuma-facts 1.3"""', "src/a.py:2: kuma-facts 1.3: "),
        ("src/a.py", '"""kuma-facts 1.2,\n9"""', "src/a.py:1: kuma-facts 9: "),
        ("src/a.py", '"""kuma-facts 3"""', "src/a.py:1: kuma-facts 3: "),
        ("src/a.py", '"""see kuma-facts"""', "src/a.py:1: kuma-facts without"),
        ("src/a.py", "\n\n# design 4", "src/a.py:3: design 4: "),
        ("native/src/lib.rs", "//! deviations\n//! D7", "native/src/lib.rs:2: D7: "),
        ("tests/test_a.py", '"""(D1-D3)"""', "tests/test_a.py:1: D3: "),
        ("tests/test_a.py", '"""(D2-D1)"""', "tests/test_a.py:1: D2-D1 is no range"),
        ("src/a.py", '"""decision 4"""', "src/a.py:1: decision 4: "),
        ("src/a.py", "# docs/none.md", "src/a.py:1: docs/none.md does not exist"),
        ("README.md", "x\n[a](docs/none.md)", "README.md:2: the link docs/none.md leads to no file"),
        ("docs/a.md", "[a](decisions/0003-a-note.md#none)", "docs/a.md:1: the link "),
        ("docs/a.md", "[`Store.put`](../src/meshmeter/store/base.py)", "docs/a.md:1: the link "),
        ("src/meshmeter/mads/__init__.py", "", "docs/architecture.md: has no link to src/meshmeter/mads"),
        ("src/a.py", "# `store.gone`", "src/a.py:1: store.gone does not exist"),
        ("docs/a.md", "\n`store.base.Gone`", "docs/a.md:2: store.base.Gone does not exist"),
        ("docs/a.md", "text [over\ntwo lines](none.md)", "docs/a.md:1: the link none.md leads to no file"),
        ("docs/a.md", "run scripts/gone for it", "docs/a.md:1: scripts/gone does not exist"),
    ],
)
def test_what_leads_nowhere_is_told(tree: Path, file: str, text: str, fault: str) -> None:
    write(tree, file, text)
    code, lines = check(tree)
    assert code == 1
    assert any(line.startswith(fault) for line in lines), lines


def test_a_page_that_is_gone_is_missed(tree: Path) -> None:
    write(tree, "src/a.py", "# kuma-facts 1.2 (D1)")
    (tree / "docs/reference/kuma-facts.md").unlink()
    (tree / "docs/reference/deviations.md").unlink()
    code, lines = check(tree)
    assert code == 1
    assert len(lines) == 2


def test_this_repository() -> None:
    assert check(PROGRAM.parent.parent)[0] == 0

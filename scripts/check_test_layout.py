"""tests/unit mirrors src/meshmeter: every module has its test file, and every test file its module.

A package's `__init__` and `__main__` need none. A kernel's twin modules share the suite of the contract they implement.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "meshmeter"
TESTS = ROOT / "tests" / "unit"

SHARED = {
    Path("exposition/merge_python.py"): Path("exposition/test_merge.py"),
    Path("exposition/merge_native.py"): Path("exposition/test_merge.py"),
}


def main() -> int:
    """Print what is missing on either side; the number of faults, capped to an exit code."""
    modules = {
        path.relative_to(SOURCE)
        for path in SOURCE.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    wanted = {m: SHARED.get(m, m.with_name(f"test_{m.name}")) for m in modules}
    there = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    faults = [f"src/meshmeter/{m} has no tests/unit/{t}" for m, t in sorted(wanted.items()) if t not in there]
    faults += [f"tests/unit/{t} tests no module" for t in sorted(there - set(wanted.values()))]
    print("\n".join(faults) or f"{len(modules)} modules, each with its test file")
    return min(len(faults), 1)


if __name__ == "__main__":
    sys.exit(main())

"""`make dist` where all is required and Rust is missing. What it builds it tries itself, in empty environments."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_where_all_is_required_and_rust_is_missing_the_compiled_kernel_is_asked_for(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "env"):  # what is called first, on a $PATH without cargo
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    done = subprocess.run(
        [ROOT / "scripts" / "dist"],
        env={"PATH": str(tmp_path), "MESHMETER_REQUIRE": "all"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "dist: the compiled kernel is left out: cargo is not here; install Rust",
        "dist: MESHMETER_REQUIRE=all asks for it; MESHMETER_NATIVE=off does without",
    ]

from __future__ import annotations

from pathlib import Path

from meshmeter.controlplane.options import OPTIONS, is_host

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def test_what_a_host_is() -> None:
    good = ["a", "cp.example", "my_host-1", "10.0.0.1", "::1", "a" * 63 + ".b", "1and1.example"]
    assert [h for h in good if not is_host(h)] == []
    bad = [
        "",
        ".",
        "a..b",
        "-a",
        "a-",
        "a" * 64,
        "a b",
        "a/b",
        "a:80",
        "1.2.3",
        "1.2.3.4.5",
        "x." * 200,
        "ü",
        "a\n",
    ]
    assert [h for h in bad if is_host(h)] == []


def test_every_option_is_in_the_documentation() -> None:
    text = OPERATIONS.read_text()
    for option in OPTIONS:
        [row] = [line for line in text.splitlines() if line.startswith(f"| `{option.flag}` ")]
        assert f"`{option.variable}`" in row and f"`{option.name}`" in row
        assert f"`{option.default}`" in row or not option.default

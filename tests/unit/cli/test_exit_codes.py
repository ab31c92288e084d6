from __future__ import annotations

from pathlib import Path

from meshmeter.cli import exit_codes

DOCS = Path(__file__).parents[3] / "docs" / "cli.md"


def test_every_code_is_documented() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    assert codes == {0, 1, 2, 3, 130}
    text = DOCS.read_text()
    for code in codes:
        assert f"| {code} |" in text

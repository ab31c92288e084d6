from __future__ import annotations

from pathlib import Path

from meshmeter.agent.options import OPTIONS

DOCS = Path(__file__).parents[3] / "docs" / "dataplane.md"


def test_every_option_is_documented_with_its_variables() -> None:
    text = DOCS.read_text()
    for option in OPTIONS:
        for name in (option.flag, option.variable, *option.aliases):
            assert f"`{name}`" in text, name

from __future__ import annotations

import json

from meshmeter import __version__
from support.cli import Cli


def test_the_schema_of_a_kind(offline: Cli) -> None:
    assert json.loads(offline.ok("schema", "dp"))["title"] == "Dataplane"
    assert offline("schema", "pod").code == 2


def test_the_version(offline: Cli) -> None:
    assert offline.ok("version") == f"meshmeter {__version__}\n"

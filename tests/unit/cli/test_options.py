from __future__ import annotations

import pytest

from meshmeter.cli.options import DiscoveryKind, Form, Format, ScrapeMode, TreeFormat
from support.cli import Cli


@pytest.mark.parametrize(
    "command",
    [("apply",), ("get",), ("delete",), ("explain", "mesh"), ("token", "revoke"), ("identity", "run")],
)
def test_every_command_that_connects_can_be_told_where(offline: Cli, command: tuple[str, ...]) -> None:
    shown = offline.ok(*command, "--help")
    for flag in ("--api-address", "--token-file", "--ca-cert-file", "--data-dir", "MESHMETER_API_ADDRESS"):
        assert flag in shown


def test_formats() -> None:
    assert [str(f) for f in Format] == ["table", "yaml", "json"]
    assert [str(f) for f in TreeFormat] == ["tree", "yaml", "json"]
    assert [str(f) for f in Form] == ["universal", "kubernetes"]
    assert [str(m) for m in ScrapeMode] == ["plain", "sidecar", "direct"]
    assert [str(d) for d in DiscoveryKind] == ["http", "kuma"]

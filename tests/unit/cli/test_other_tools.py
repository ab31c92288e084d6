from __future__ import annotations

import pytest

from meshmeter.cli.other_tools import hint
from support.cli import Cli


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("inspect", "explain dataplane"),
        ("inspect dataplanes", "get dataplanes"),
        ("inspect dataplane web", "explain dataplane NAME"),
        ("inspect meshes", "get meshes"),
        ("generate dataplane-token --name x", "token dataplane --mesh MESH --name NAME"),
        ("generate user-token", "token admin"),
        ("install observability", "prometheus config"),
        ("config control-planes add", "--api-address"),
    ],
)
def test_a_verb_of_kumactl_is_answered_with_ours(offline: Cli, line: str, command: str) -> None:
    done = offline(*line.split())
    assert done.code == 2 and done.out == "" and command in done.err


def test_our_own_verbs_need_no_hint() -> None:
    for word in ("", "get", "apply", "inspekt"):
        assert hint(word.split()) is None

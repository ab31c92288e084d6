from __future__ import annotations

import pytest

from meshmeter.cli.kinds import item_path, kind_of, list_path
from meshmeter.errors import SettingsError


@pytest.mark.parametrize("word", ["dataplane", "dataplanes", "dp", "Dataplane", "DPS"])
def test_every_name_of_a_kind(word: str) -> None:
    assert kind_of(word).name == "Dataplane"


@pytest.mark.parametrize(
    "word, hint", [("dataplan", 'did you mean "dataplane"'), ("pod", "known are mesh, ")]
)
def test_an_unknown_kind_is_named_with_a_hint(word: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=hint):
        kind_of(word)


def test_paths() -> None:
    assert list_path(kind_of("mesh"), "ignored") == "/meshes"
    assert list_path(kind_of("tp"), None) == "/traffic-permissions"
    assert list_path(kind_of("tp"), "m") == "/meshes/m/traffic-permissions"
    assert item_path(kind_of("mesh"), "ignored", "m") == "/meshes/m"
    assert item_path(kind_of("dp"), "m", "a/b") == "/meshes/m/dataplanes/a%2Fb"

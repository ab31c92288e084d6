from __future__ import annotations

import dataclasses

import pytest

from meshmeter.resources.resource import Key
from meshmeter.store.base import Contents, Delete, Event, Put, Store
from meshmeter.store.sqlite import SqliteStore
from support.resources import mesh


def test_a_change_expects_nothing_unless_told() -> None:
    assert Put(mesh()).expected_version is None
    assert Delete(Key("Mesh", "", "default")).expected_version is None


@pytest.mark.parametrize(
    "value",
    [Put(mesh()), Delete(Key("Mesh", "", "m")), Event(1, Key("Mesh", "", "m"), None), Contents(0, ())],
)
def test_what_crosses_the_border_does_not_change(value: object) -> None:
    field = dataclasses.fields(value)[0].name  # type: ignore[arg-type]  # all of them are dataclasses
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, None)


def test_the_engines_have_every_method_of_the_protocol() -> None:
    wanted = {name for name in vars(Store) if not name.startswith("_")}
    assert {name for name in wanted if callable(getattr(SqliteStore, name, None))} == wanted

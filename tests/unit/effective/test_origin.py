"""A value and its origin."""

from __future__ import annotations

from meshmeter.effective.origin import Layer, Origin, Sourced


def test_layers_are_in_order_of_precedence() -> None:
    assert list(Layer) == [Layer.DEFAULT, Layer.MESH, Layer.DATAPLANE, Layer.ANNOTATION]


def test_a_default_is_written_nowhere() -> None:
    value = Sourced(5670, Origin(Layer.DEFAULT))
    assert (value.origin.resource, value.origin.field, value.overrode) == ("", "", ())

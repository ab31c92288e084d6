from __future__ import annotations

from meshmeter.documents.forms import Item, documents_of, is_cut_short, is_kubernetes


def test_the_form_of_a_document() -> None:
    assert is_kubernetes({"apiVersion": "x"})
    assert is_kubernetes({"kind": "Mesh"})
    assert not is_kubernetes({"type": "Mesh", "kind": "x"})
    assert not is_kubernetes({})


def test_what_is_no_list_stands_for_itself() -> None:
    for value in ({"type": "Mesh"}, {}, 7, {"items": 7}, {"type": "MeshList", "items": []}):
        assert documents_of(value) == [Item("", value)]


def test_lists_in_lists() -> None:
    value = {"kind": "List", "items": [{"kind": "MeshList", "items": [{"a": 1}]}, {"kind": "Mesh"}]}

    assert documents_of(value) == [
        Item("items[0].items[0]", {"apiVersion": None, "kind": "Mesh", "a": 1}),
        Item("items[1]", {"kind": "Mesh"}),
    ]


def test_a_page_that_has_a_next_one() -> None:
    assert is_cut_short({"items": [], "next": "http://x"})
    assert not is_cut_short({"items": [], "next": None})
    assert not is_cut_short({"type": "Mesh", "items": [], "next": "x"})

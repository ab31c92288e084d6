"""The forms that a document may have: Universal or Kubernetes, and lists of either.

kind: List                 as `kubectl get -o yaml` prints several objects
kind: MeshList             as the API server answers for one kind; its items may leave out what the list says
items, total, next         as `kumactl get -o yaml` and `meshmeter get -o json` print several resources
[...]                      a plain list of documents
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LIST = "List"

_OF_A_PAGE = frozenset(("items", "total", "next"))


@dataclass(frozen=True, slots=True)
class Item:
    """One document of a list."""

    path: str
    """Where it is in what was read, `items[3]`; empty for what is no list."""
    data: Any


def is_kubernetes(document: Mapping[Any, Any]) -> bool:
    """Whether a document is in the Kubernetes form."""
    return "apiVersion" in document or ("kind" in document and "type" not in document)


def documents_of(value: Any) -> list[Item]:
    """The documents that a value stands for: those of a list in their order, lists in it included, else itself."""
    return list(_documents(value, ""))


def is_cut_short(value: Any) -> bool:
    """Whether a value is one page of a list of several."""
    return _is_page(value) and bool(value.get("next"))


def _documents(value: Any, path: str) -> Iterator[Item]:
    if isinstance(value, list):
        yield from _all(value, path)
    elif _is_page(value):
        yield from _all(value["items"] or [], f"{path}.items" if path else "items")
    elif (kind := _kind_of_list(value)) is not None:
        head = {"apiVersion": value.get("apiVersion"), "kind": kind} if kind else {}
        completed = [_completed(item, head) for item in value.get("items") or []]
        yield from _all(completed, f"{path}.items" if path else "items")
    else:
        yield Item(path, value)


def _all(items: list[Any], path: str) -> Iterator[Item]:
    for index, item in enumerate(items):
        yield from _documents(item, f"{path}[{index}]")


def _is_page(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= _OF_A_PAGE
        and "items" in value
        and isinstance(value["items"], list | None)
    )


def _kind_of_list(value: Any) -> str | None:
    """The kind of the items of a Kubernetes list, empty if each says its own; None if the value is no list."""
    if not isinstance(value, dict) or not is_kubernetes(value):
        return None
    kind = value.get("kind")
    if (
        not isinstance(kind, str)
        or not kind.endswith(LIST)
        or not isinstance(value.get("items"), list | None)
    ):
        return None
    return kind.removesuffix(LIST)


def _completed(item: Any, head: Mapping[str, Any]) -> Any:
    if not isinstance(item, dict) or "kind" in item or "type" in item:
        return item
    return {**head, **item}

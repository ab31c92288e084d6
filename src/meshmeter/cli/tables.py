"""Tables of `get`: one row per resource, the columns of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from meshmeter.cli.output import age, table

Item = Mapping[str, Any]

LONGEST_NOTE = 160
"""Characters of Envoy's message in a row; `explain` shows all of it."""


def meshes(items: Sequence[Item], now: datetime) -> str:
    """Meshes: which authority and which metrics backend are in force."""
    rows = [
        (
            item["name"],
            _enabled(item, "mtls"),
            _enabled(item, "metrics"),
            age(item.get("creationTime"), now),
        )
        for item in items
    ]
    return table(("NAME", "MTLS", "METRICS", "AGE"), rows)


def dataplanes(overviews: Sequence[Item], now: datetime) -> str:
    """Dataplanes, from their overviews: connected or not, metrics served or not, and what Envoy refused."""
    head = ("MESH", "NAME", "TAGS", "ADDRESS", "STATUS", "METRICS", "AGE", "NOTE")
    rows = [
        (
            item["mesh"],
            item["name"],
            _tags(item["dataplane"]),
            str((item["dataplane"].get("networking") or {}).get("address", "")),
            item["status"],
            item["metrics"],
            age(item["dataplane"].get("creationTime"), now),
            _note(item),
        )
        for item in overviews
    ]
    return table(head, rows)


def traffic_permissions(items: Sequence[Item], now: datetime) -> str:
    """TrafficPermissions: who may call whom."""
    rows = [
        (
            item["mesh"],
            item["name"],
            _selectors(item.get("sources")),
            _selectors(item.get("destinations")),
            age(item.get("creationTime"), now),
        )
        for item in items
    ]
    return table(("MESH", "NAME", "SOURCES", "DESTINATIONS", "AGE"), rows)


def _note(overview: Item) -> str:
    """The code of the finding that keeps the endpoint closed, and Envoy's words if there are some."""
    words = (overview.get("finding"), (overview.get("nack") or {}).get("message"))
    return ": ".join(filter(None, words))[:LONGEST_NOTE]


def _enabled(item: Item, section: str) -> str:
    return str((item.get(section) or {}).get("enabledBackend") or "off")


def _tags(dataplane: Item) -> str:
    networking = dataplane.get("networking") or {}
    sets = [inbound.get("tags") for inbound in networking.get("inbound") or ()]
    sets.append((networking.get("gateway") or {}).get("tags"))
    found: dict[str, dict[str, None]] = {}
    for tags in sets:
        for tag, value in (tags or {}).items():
            found.setdefault(tag, {})[value] = None
    return " ".join(f"{tag}={','.join(values)}" for tag, values in sorted(found.items()))


def _selectors(selectors: Sequence[Item] | None) -> str:
    return " | ".join(
        ",".join(f"{tag}={value}" for tag, value in sorted((s.get("match") or {}).items()))
        for s in selectors or ()
    )


TABLES: Mapping[str, Callable[[Sequence[Item], datetime], str]] = {
    "Mesh": meshes,
    "Dataplane": dataplanes,
    "TrafficPermission": traffic_permissions,
}
"""By name of the kind."""

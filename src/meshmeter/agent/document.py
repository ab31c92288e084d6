"""The Dataplane file: its text becomes one document, checked only as far as the agent itself depends on it.

Whether the Dataplane is valid is for the control plane to say, which knows all the rules and names every
fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Any

import yaml

from meshmeter.errors import InvalidResource, Violation

MAX_BYTES = 1 << 20
"""Bytes of a Dataplane file."""

MAX_DEPTH = 64
"""Levels of nesting. LibYAML composes recursively and takes the process down with it at some ten thousand."""

MAX_ALIASES = 20
"""Parts repeated through `*name`; so few cannot make a small file large."""

DEFAULT_MESH = "default"

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


class _StrictLoader(_Loader):  # type: ignore[misc]  # the base depends on how PyYAML was built
    """YAML as JSON can hold it: no dates, no repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


# `2026-01-31` is a tag value like any other; JSON, in which the document travels, knows no dates.
_StrictLoader.add_constructor(
    "tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node)
)


def parse(text: str) -> dict[str, Any]:
    """The one document in `text`. Raises InvalidResource."""
    if len(text.encode()) > MAX_BYTES:
        raise _fault("", f"larger than {MAX_BYTES >> 20} MiB")
    try:
        try:
            _check_structure(text)
        except yaml.MarkedYAMLError as exc:
            # Scanners read ahead, and some have a limit of nesting that they meet before ours is seen.
            if exc.problem_mark is not None:
                with suppress(yaml.YAMLError):
                    _check_structure(text[: exc.problem_mark.index])
            raise
        documents = [d for d in yaml.load_all(text, Loader=_StrictLoader) if d is not None]  # a SafeLoader
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _fault(where, exc.problem or exc.context or "not YAML") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise _fault("", f"not YAML: {exc}") from exc
    if len(documents) != 1:
        raise _fault("", f"one Dataplane is expected, not {len(documents)} documents")
    document = documents[0]
    if not isinstance(document, dict):
        raise _fault("", "a Dataplane is expected, which is a mapping")
    key = "kind" if "kind" in document else "type"
    if document.get(key) != "Dataplane":
        raise _fault(key, f'must be "Dataplane", not {document.get(key)!r}')
    try:
        json.dumps(document, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as exc:
        raise _fault("", f"it cannot be written as JSON: {exc}") from exc
    return document


def identity(document: Mapping[str, Any]) -> tuple[str, str]:
    """Mesh and name as the document, in either envelope, says. Raises InvalidResource.

    They become part of file names, so whatever could not be a name is refused here already.
    """
    metadata = document.get("metadata") if "kind" in document else None
    name = metadata.get("name") if isinstance(metadata, dict) else document.get("name")
    mesh = document.get("mesh") or DEFAULT_MESH
    faults = [
        Violation(field, "cannot be empty" if not value else f"{value!r} cannot be a name")
        for field, value in (("mesh", mesh), ("metadata.name" if "kind" in document else "name", name))
        if not isinstance(value, str) or not _NAME.fullmatch(value) or ".." in value
    ]
    if faults:
        raise InvalidResource(faults, "The Dataplane file is not valid")
    return mesh, str(name)


def _check_structure(text: str) -> None:
    """Refuse, before anything is built, what could become too deep or too large."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MAX_ALIASES:
                raise _fault("", f"more than {MAX_ALIASES} aliases: write the document out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _fault("", f"more than {MAX_DEPTH} levels of nesting")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _fault(field: str, reason: str) -> InvalidResource:
    return InvalidResource([Violation(field, reason)], "The Dataplane file is not valid")

"""The lines of the fields of a text, looked up once something is wrong with one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import yaml

from meshmeter.documents.values import LOADER

_SEGMENT = re.compile(r'\.?([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*")\]')
_MERGE = "tag:yaml.org,2002:merge"


class Places:
    """One text that was read without a fault; parsed a second time when the first line is asked for."""

    def __init__(self, text: str, first_line: int):
        self._text = text
        self._first_line = first_line

    def line(self, path: str) -> int:
        """The line of `metrics.backends[0].type`, or of the innermost part around it that is there."""
        if not path:
            return self._first_line
        node, line = self._root, 0
        for step in _steps(path):
            found = _inside(node, step)
            if found is None:
                break
            node, line = found
        return self._first_line + line

    @cached_property
    def _root(self) -> Any:
        try:
            return yaml.compose(self._text, Loader=LOADER)  # safe: makes nodes, no objects
        except yaml.YAMLError:  # JSON that YAML 1.1 does not know: its first line has to do
            return None


def _steps(path: str) -> Iterator[str | int]:
    at = 0
    while match := _SEGMENT.match(path, at):
        name, index, key = match.groups()
        yield name if name is not None else int(index) if index is not None else json.loads(key)
        at = match.end()


def _inside(node: Any, step: str | int) -> tuple[Any, int] | None:
    """The part of a node, and its line from 0."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        if step >= len(node.value):
            return None
        item = node.value[step]
        return item, item.start_mark.line
    if not isinstance(node, yaml.MappingNode):
        return None
    merged: list[Any] = []
    for key, value in node.value:
        if key.tag == _MERGE:
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
        elif isinstance(key, yaml.ScalarNode) and key.value == step:
            return value, key.start_mark.line
    return next((found for part in merged if (found := _inside(part, step))), None)

"""Variables of the sidecar that users set (kuma-facts 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meshmeter.errors import InjectionRefused
from meshmeter.quoting import quoted

ANNOTATION = "kuma.io/sidecar-env-vars"
"""Of a Pod: `NAME=value;OTHER=value`. A value can have neither `=` nor `;`."""


def with_variables(
    env: Iterable[Mapping[str, Any]], configured: Mapping[str, str], annotations: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The variables of a container, in the order of their names: its own, above them those of the control plane's
    configuration, above these those of the Pod's annotation.

    Raises InjectionRefused if the annotation cannot be read.
    """
    variables = {variable["name"]: dict(variable) for variable in env}
    for name, value in {**configured, **_annotated(annotations)}.items():
        variables[name] = {"name": name, "value": value}
    return [variables[name] for name in sorted(variables)]


def _annotated(annotations: Mapping[str, str]) -> dict[str, str]:
    read: dict[str, str] = {}
    if ANNOTATION not in annotations:
        return read
    for pair in annotations[ANNOTATION].split(";"):
        name, *values = pair.split("=")
        if len(values) != 1 or not name.strip():
            raise InjectionRefused(
                f'invalid format. Map in "{ANNOTATION}" has to be provided in the following format: '
                f'key1=value1;key2=value2, and it has "{quoted(pair, 64)}"'
            )
        read[name.strip()] = values[0]
    return read

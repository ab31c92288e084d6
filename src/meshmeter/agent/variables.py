"""Variables of a Dataplane file: `{{ name }}` in its text is replaced by the value given with `--var
name=value`.

Names are letters, digits, `_`, `-` and `.`; white space inside the braces does not count. There are no
sections, partials or escapes. Values are put in as they are; what the YAML around them makes of it is up to
the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from meshmeter.errors import InvalidResource, Violation

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

_REFERENCE = re.compile(r"\{\{([^{}]*)\}\}")


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """`text` with every reference replaced. Raises InvalidResource naming each that has no value."""
    faults: dict[str, Violation] = {}

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name in variables:
            return variables[name]
        line = text.count("\n", 0, match.start()) + 1
        given = ", ".join(sorted(variables)) or "none"
        faults.setdefault(
            name,
            Violation(
                f"line {line}", f"variable {name!r} has no value (given: {given}); use --var {name}=VALUE"
            ),
        )
        return ""

    result = _REFERENCE.sub(value, text)
    if faults:
        raise InvalidResource(faults.values(), "The Dataplane file cannot be completed")
    return result


def unused(text: str, variables: Mapping[str, str]) -> list[str]:
    """The given variables that `text` does not refer to, sorted."""
    used = {match[1].strip() for match in _REFERENCE.finditer(text)}
    return sorted(set(variables) - used)

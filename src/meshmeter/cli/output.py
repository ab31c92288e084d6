"""What commands print: results on standard output; faults and warnings, one per line, on standard error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from meshmeter.cli import colours
from meshmeter.errors import Violation
from meshmeter.times import read_rfc3339

GAP = "   "
"""Between two columns."""

_LEADING_ZERO = re.compile(r"[+-]?0[0-9_]+")

_OF_A_SEVERITY = {"refused": colours.RED, "warning": colours.YELLOW}
_SEVERITY = re.compile(r" \((refused|warning)\): ")

_OF_A_DIFF = {"+": colours.GREEN, "-": colours.RED, "@": colours.CYAN}


def out(text: str) -> None:
    """One result."""
    print(printable(text))


def rows(table: str) -> None:
    """A table, its head set apart on a terminal."""
    head, _, rest = printable(table).partition("\n")
    print(colours.paint(head, colours.BOLD, sys.stdout) + (f"\n{rest}" if rest else ""))


def difference(diff: str) -> None:
    """A unified diff."""
    for line in printable(diff).split("\n"):
        print(colours.paint(line, _OF_A_DIFF.get(line[:1], ""), sys.stdout))


def tree(text: str) -> None:
    """What `explain` found out; its findings stand out on a terminal."""
    for line in printable(text).split("\n"):
        severity = _SEVERITY.search(line)
        print(colours.paint(line, _OF_A_SEVERITY[severity[1]] if severity else "", sys.stdout))


def note(text: str) -> None:
    """Something to know that is no result: programs that read the results do not see it."""
    print(printable(text), file=sys.stderr)


def fail(*lines: str) -> None:
    """What went wrong."""
    for line in lines:
        print(f"{colours.paint('Error:', colours.RED, sys.stderr)} {printable(line)}", file=sys.stderr)


def faults(found: Iterable[Violation]) -> None:
    """Every fault, `field: reason`."""
    for violation in found:
        field = colours.paint(printable(violation.field), colours.RED, sys.stderr)
        reason = printable(violation.reason)
        print(f"{field}: {reason}" if violation.field else reason, file=sys.stderr)


def warn(text: str) -> None:
    """Something that was accepted but deserves attention."""
    print(f"{colours.paint('Warning:', colours.YELLOW, sys.stderr)} {printable(text)}", file=sys.stderr)


def printable(text: str) -> str:
    """The text without control characters but line ends: what a resource contains must not steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2)


def as_yaml(documents: Iterable[Any]) -> str:
    """One YAML document per value, which `apply` can read again."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes text such as 08, which reading would warn of."""

    def text(dumper: Dumper, value: str) -> yaml.ScalarNode:
        style = "'" if _LEADING_ZERO.fullmatch(value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    Dumper.add_representer(str, text)
    return yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000).rstrip(
        "\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns, each as wide as its widest cell."""
    lines = [list(head), *([" ".join(printable(cell).split()) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def age(since: str | None, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 time was, in the two largest units: `3d4h`, `5m10s`, `0s`; `-` if unknown."""
    try:
        moment = read_rfc3339(since or "")
        seconds = int(((now or datetime.now(UTC)) - moment).total_seconds())
    except (ValueError, TypeError):
        return "-"
    if moment.year == 1:
        return "-"
    seconds = max(seconds, 0)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if parts:
            return "".join(parts) + (f"{count}{unit}" if count else "")
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"

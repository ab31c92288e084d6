"""Reading exposition text back, for tests: as sets of samples, and through parsers that are not ours."""

from __future__ import annotations

import subprocess
from collections import Counter

from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from support.require import program

Row = tuple[str, tuple[tuple[str, str], ...], float]


def samples(text: str, *, openmetrics: bool = False) -> Counter[Row]:
    """All samples as name, sorted labels and number; bounds and quantiles as the numbers they are."""
    if openmetrics:
        families = openmetrics_parser.text_string_to_metric_families(text)
    else:  # without types, since this parser renames counters by them
        lines = [line for line in text.splitlines(keepends=True) if not line.startswith("#")]
        families = text_string_to_metric_families("".join(lines))
    return Counter(
        (
            sample.name,
            tuple(sorted((k, _number(k, v)) for k, v in sample.labels.items())),
            float(sample.value),
        )
        for family in families
        for sample in family.samples
    )


def types(text: str, *, openmetrics: bool = False) -> dict[str, str]:
    """The type of every family with samples."""
    parse = (
        openmetrics_parser.text_string_to_metric_families if openmetrics else text_string_to_metric_families
    )
    return {family.name: family.type for family in parse(text) if family.samples}


def metadata(text: str) -> Counter[str]:
    """The HELP and TYPE lines."""
    return Counter(line for line in text.splitlines() if line.startswith(("# HELP", "# TYPE")))


def _number(label: str, value: str) -> str:
    return repr(float(value)) if label in ("le", "quantile") else value


def accepted_by_promtool(text: bytes) -> str:
    """Empty if Prometheus's own parser reads the text (lint advice aside), else what it says."""
    promtool = program("promtool", "apt-get install prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
    return "" if done.returncode in (0, 3) else done.stderr.decode()

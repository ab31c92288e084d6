"""What the annotations of a Pod say about its metrics (kuma-facts 4.1, deviations D4, D5).

The injector makes the Dataplane's `metrics` of them. So that it stays known which value an annotation set, and what
was wrong with others, the Dataplane carries the annotations in one of its own, the mark; `explain` is told from there.

Whatever an annotation says, nothing here raises: a value that cannot be read is a finding, and costs the setting that
it is on or, in `aggregate`, the entry, which is then not scraped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from meshmeter.effective.findings import Finding, finding
from meshmeter.effective.origin import Layer, Origin
from meshmeter.quoting import quoted
from meshmeter.resources import syntax
from meshmeter.resources.annotation_values import AnnotationError, flag, uint32
from meshmeter.resources.metrics import PrometheusConf

PREFIX = "prometheus.metrics.kuma.io/"

MARK = "meshmeter.io/pod-metrics-annotations"
"""Annotation of a Dataplane that was made from a Pod: the Pod's annotations about metrics, without their prefix, as a
JSON object."""

LARGEST_MARK = 128 << 10
"""Characters. A Dataplane whose Pod says more than that has no mark, since an object's annotations may have 256 KiB."""

_ENTRY = re.compile(r"aggregate-([A-Za-z0-9_.-]{1,63})-(port|path|enabled|address)")
_REMEDIES = {
    "port": "Write a port between 1 and 65535 into the annotation, or remove it.",
    "path": "Write a path that begins with / into the annotation, or remove it.",
    "enabled": 'Write "true" or "false" into the annotation, or remove it.',
    "address": "Write an IP address or a host name into the annotation, or remove it.",
}

Value = int | str | bool
_Place = tuple[str | None, str]
"""Name of the entry, None for the endpoint itself, and the field."""


@dataclass(frozen=True, slots=True)
class PodAnnotations:
    """What was read from annotations."""

    settings: Mapping[str, Value] = field(default_factory=dict)
    """Of the endpoint itself, by field: `port`, `path`."""
    entries: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """What they say of each entry by its name, in the order of the names. An entry of which nothing could be read is
    there with nothing."""
    findings: tuple[Finding, ...] = ()
    """In the order of the annotations' names."""
    refused: Mapping[str, Finding] = field(default_factory=dict)
    """Why an entry is not scraped, by its name."""

    def origins(self, conf: PrometheusConf, pod: str) -> Mapping[str, Origin]:
        """The fields in a Dataplane's `conf` that have the value of an annotation, by path. `pod` is the Pod's name.

        A field that says something else was changed by somebody else since, and is not listed.
        """
        found = {
            name: _origin(pod, None, name)
            for name, value in self.settings.items()
            if getattr(conf, name) == value
        }
        for index, entry in enumerate(conf.aggregate or ()):
            name = entry.name or ""
            for attribute, value in self.entries.get(name, {}).items():
                if getattr(entry, attribute) == value:
                    found[f"aggregate[{index}].{attribute}"] = _origin(pod, name, attribute)
        return found

    def told(self, name: str, found: Finding | None) -> Finding | None:
        """A finding of the entry `name`, for whom writes annotations: a port that is missing goes into one."""
        if found is None or found.code != "aggregate-port-missing" or name not in self.entries:
            return found
        key = f"{PREFIX}aggregate-{name}-port"
        return replace(
            found,
            message=f"{found.message}: port needs to be specified for metrics scraping",
            remedy=f'Set the port by the annotation {key}, or disable the entry by aggregate-{name}-enabled: "false".',
            field=_field(key),
        )


NOTHING = PodAnnotations()


def read(annotations: Mapping[str, str]) -> PodAnnotations:
    """What annotations say about metrics. Those with another prefix are passed over."""
    settings: dict[str, Value] = {}
    entries: dict[str, dict[str, Value]] = {}
    findings: list[Finding] = []
    refused: dict[str, Finding] = {}
    for key, text in sorted(annotations.items()):
        if not key.startswith(PREFIX):
            continue
        place = _place(key)
        if place is None:
            findings.append(_unknown(key, text))
            continue
        name, attribute = place
        written = settings if name is None else entries.setdefault(name, {})
        try:
            written[attribute] = _value(key, attribute, text)
        except AnnotationError as error:
            found = _invalid(key, place, str(error))
            findings.append(found)
            if name is not None:
                refused.setdefault(name, found)
    return PodAnnotations(settings, dict(sorted(entries.items())), tuple(findings), refused)


def mark(annotations: Mapping[str, str]) -> Mapping[str, str]:
    """The annotation that a Dataplane gets because of those of its Pod; empty if they say nothing about metrics."""
    # One character more than may be read, so that what is too long stays too long.
    said = {
        key.removeprefix(PREFIX): text[: syntax.LONGEST_VALUE + 1]
        for key, text in sorted(annotations.items())
        if key.startswith(PREFIX)
    }
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return {MARK: text} if said and len(text) <= LARGEST_MARK else {}


def marked(annotations: Mapping[str, str]) -> PodAnnotations:
    """What the Pod's annotations said, by those of its Dataplane. A mark that is damaged says nothing."""
    text = annotations.get(MARK)
    if text is None or len(text) > LARGEST_MARK:
        return NOTHING
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return NOTHING
    if not isinstance(said, dict):
        return NOTHING
    return read({PREFIX + key: value for key, value in said.items() if isinstance(value, str)})


def _place(key: str) -> _Place | None:
    """What an annotation with our prefix is about; None if that is unknown."""
    short = key.removeprefix(PREFIX)
    if short in ("port", "path"):
        return None, short
    found = _ENTRY.fullmatch(short)
    return (found[1], found[2]) if found else None


def _value(key: str, attribute: str, text: str) -> Value:
    """Raises AnnotationError."""
    value: Value = text
    fault: str | None = None
    if len(text) > syntax.LONGEST_VALUE:
        fault = syntax.TOO_LONG.format(syntax.LONGEST_VALUE)
    elif attribute == "enabled":
        value = flag(key, text)
    elif attribute == "port":
        value = uint32(key, text)
        fault = syntax.port_fault(value)
    elif attribute == "path":
        fault = syntax.http_path_fault(text)
    elif not syntax.is_host(text):
        fault = "address has to be valid IP address or domain name"
    if fault:
        raise AnnotationError(f'annotation "{key}" has wrong value "{quoted(text)}": {fault}')
    return value


def _invalid(key: str, place: _Place, fault: str) -> Finding:
    name, attribute = place
    if name is None:
        code, cost = "pod-annotation-invalid", "it has no effect"
    else:
        code, cost = "pod-annotation-entry-invalid", f"aggregate entry {name!r} is not scraped"
    return finding(code, f"{fault}; {cost}", field=_field(key), remedy=_REMEDIES[attribute])


def _unknown(key: str, text: str) -> Finding:
    message = f'there is no annotation "{quoted(key)}", its value "{quoted(text)}" has no effect'
    return finding("pod-annotation-unknown", message, field=_field(key))


def _origin(pod: str, entry: str | None, attribute: str) -> Origin:
    key = PREFIX + (attribute if entry is None else f"aggregate-{entry}-{attribute}")
    return Origin(Layer.ANNOTATION, f"Pod {pod}", _field(key))


def _field(key: str) -> str:
    return f"metadata.annotations[{quoted(key)}]"

"""Rules for the prometheus `conf` that Mesh and Dataplane share (kuma-facts 2.2, 2.3, deviations D8, D9)."""

from __future__ import annotations

from collections.abc import Iterator

import re2

from meshmeter.errors import Violation
from meshmeter.resources import syntax
from meshmeter.resources.metrics import PROMETHEUS, PrometheusConf, TlsMode
from meshmeter.resources.validation.aggregate import aggregate_violations
from meshmeter.resources.validation.tags import tag_violations

_RE2 = re2.Options()
_RE2.log_errors = False


def backend_type_violations(type_: str | None, path: str) -> Iterator[Violation]:
    """A fault if a metrics backend is not of the only type that there is."""
    if type_ != PROMETHEUS:
        yield Violation(path, f'unknown backend type. Available backends: "{PROMETHEUS}"')


def conf_violations(conf: PrometheusConf, path: str) -> Iterator[Violation]:
    """Faults of a `conf` at `path`."""
    if _contradicts(conf):
        yield Violation(path, "skipMTLS and tls configuration cannot be defined together")
    if conf.port is not None and (reason := syntax.port_fault(conf.port)):
        yield Violation(f"{path}.port", reason)
    if conf.path is not None and (reason := syntax.http_path_fault(conf.path)):
        yield Violation(f"{path}.path", reason)
    yield from tag_violations(conf.tags, f"{path}.tags")
    if conf.envoy and conf.envoy.filter_regex and (reason := regex_fault(conf.envoy.filter_regex)):
        yield Violation(f"{path}.envoy.filterRegex", f"provided regexp isn't correct: {reason}")
    if conf.application_label and (reason := syntax.label_name_fault(conf.application_label)):
        yield Violation(f"{path}.applicationLabel", reason)
    yield from aggregate_violations(conf.aggregate or (), f"{path}.aggregate")


def regex_fault(expression: str) -> str | None:
    """What RE2, and so Envoy, says against the expression; None if it compiles."""
    try:
        re2.compile(expression, _RE2)
    except re2.error as error:
        said = error.args[0]
        return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    except UnicodeEncodeError:
        return "invalid UTF-8"
    return None


def _contradicts(conf: PrometheusConf) -> bool:
    if conf.skip_mtls is None or conf.tls is None:
        return False
    same = TlsMode.DISABLED if conf.skip_mtls else TlsMode.ACTIVE_MTLS_BACKEND
    return (conf.tls.mode or TlsMode.ACTIVE_MTLS_BACKEND) != same

from __future__ import annotations

import pytest

from meshmeter.documents.places import Places

TEXT = """\
type: Mesh
metrics:
  backends:
  - name: a
    conf:
      tags:
        kuma.io/service: x
  - {name: b,
     type: c}
base: &base
  p: 1
merged:
  <<: *base
  q: 2
alias: *base
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 10),
        ("type", 10),
        ("metrics.backends[0].name", 13),
        ('metrics.backends[0].conf.tags["kuma.io/service"]', 16),
        ("metrics.backends[0].conf.port", 14),  # is not there: the part around it
        ("metrics.backends[1].type", 18),
        ("metrics.backends[7].type", 12),
        ("nothing", 10),
        ("merged.p", 20),
        ("merged.q", 23),
        ("alias.p", 20),
        ("type.x", 10),
        ('metrics["', 11),
    ],
)
def test_the_line_of_a_path(path: str, line: int) -> None:
    assert Places(TEXT, 10).line(path) == line


def test_what_yaml_cannot_read_has_its_first_line() -> None:
    assert Places('{"a": "\\ud800"', 4).line("a") == 4

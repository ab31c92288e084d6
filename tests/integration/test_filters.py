"""Filters: what a real Envoy selects for an expression is what RE2 finds in the names of its stats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import re2

from meshmeter.scrape.config import ScrapeConfig
from meshmeter.scrape.plan import STATS_PATH, envoy_targets
from support.many_clusters import get, running_envoy
from support.sources import LONG, agent, values

pytestmark = pytest.mark.integration

CLUSTERS = (
    "o b",
    "o+b",
    "o%20b",
    "per%cent",
    "br{ace}",
    "sq[b]",
    "back\\slash",
    "ünï",
    "日本",
    "car^et",
    "pi|pe",
    'qu"ote',
    "a&b=c",
    "semi;c#h",
    "tab\tb",
    "new\nline",
    "star*",
    "q?",
    "CaSe",
    "dollar$",
)

EXPRESSIONS = (
    "o b",
    "o b|uptime",
    "o+b",
    r"o\+b",
    "o[+]b",
    "o%20b",
    "o%2520b",
    "o%2Bb",
    "%",
    "%%",
    "%zz",
    r"br\{ace\}",
    "b{2}",
    "a{1,2}c",
    r"\Q[b]\E",
    "[[]b[]]",
    "[[:upper:]]",
    r"back\\slash",
    r"back\\",
    "ünï",
    "日",
    r"\pL+本",
    r"\p{Han}",
    r"\x{65e5}",
    "^cluster\\.o",
    "uptime$",
    "^$",
    r"\Aserver\.",
    r"live\z",
    "a|b|日",
    "(?i)case",
    "(?i:CASE)\\.",
    "(?s)tab.b",
    "(?s)new.line",
    "new.line",
    "(?U)o.*b",
    "(?P<name>pi)\\|pe",
    "a&b=c",
    "a&b=c&usedonly",
    "semi;c#h",
    "#",
    "\t",
    "\n",
    r"\n",
    "\x00",
    r"\x00",
    r"\bo b\b",
    " ",
    r"\$",
    '"',
    "cluster.*?membership_(total|healthy)",
    "dollar[$]",
    "[^a-z0-9_.]",
)


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The admin socket of an Envoy whose clusters have names that look like expressions."""
    clusters = [
        {
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": name, "endpoints": []},
        }
        for name in CLUSTERS
    ]
    with running_envoy(tmp_path_factory.mktemp("envoy"), 0, more=clusters) as admin_socket:
        yield admin_socket


def stats(envoy: Path, target: str = f"{STATS_PATH}?") -> frozenset[str]:
    """The names that a request for metrics selects, asked where Envoy tells them as they are."""
    answer = get(envoy, target.replace(f"{STATS_PATH}?", "/stats?format=json&"))
    return frozenset(stat["name"] for stat in json.loads(answer)["stats"] if "name" in stat)


@pytest.fixture(scope="module")
def names(envoy: Path) -> frozenset[str]:
    return stats(envoy)


def found(expression: str, names: frozenset[str]) -> frozenset[str]:
    options = re2.Options()
    options.log_errors = False
    compiled = re2.compile(expression, options)
    return frozenset(name for name in names if compiled.search(name))


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=ascii)
def test_envoy_selects_what_re2_finds(envoy: Path, names: frozenset[str], expression: str) -> None:
    configured = envoy_targets("", ScrapeConfig("1", "m", "d", True, filter_regex=expression))
    for query in (f"filter={quote(expression, safe='')}", urlencode({"filter": expression})):
        assert envoy_targets(query, ScrapeConfig("1", "m", "d", True)) == configured
    (target,) = configured
    expected = found(expression, names)
    assert stats(envoy, target) == expected
    clusters = {
        dict(labels)["envoy_cluster_name"]
        for labels in values(get(envoy, target), "envoy_cluster_membership_total")
    }
    assert clusters & set(CLUSTERS) == {
        name for name in CLUSTERS if f"cluster.{name}.membership_total" in expected
    }


def test_the_expressions_tell_clusters_apart(names: frozenset[str]) -> None:
    selections = {found(expression, names) for expression in EXPRESSIONS}
    assert len(selections) > 25
    assert len(found("o b|uptime", names)) != len(found("o+b|uptime", names))


async def test_a_space_and_a_plus_through_the_agent(tmp_path: Path, envoy: Path) -> None:
    for expression, name in (("o b", "o b"), (r"o\+b", "o+b"), ("o%20b", "o%20b")):
        async with agent(tmp_path, envoy, filter_regex=expression) as scraped:
            _, configured, _ = await scraped.scrape(**LONG)
        async with agent(tmp_path, envoy) as scraped:
            _, asked, _ = await scraped.scrape(f"?filter={quote(expression, safe='')}", **LONG)
        for body in (configured, asked):
            (labels,) = values(body, "envoy_cluster_membership_total")
            assert dict(labels)["envoy_cluster_name"] == name

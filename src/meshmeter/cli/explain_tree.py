"""The answers of `explain` for people: headings and indented lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from meshmeter.cli.output import age, table
from meshmeter.exposition.excerpt import escaped
from meshmeter.times import rfc3339

Json = Mapping[str, Any]

_HEADLINE = {
    "serving": "serves metrics",
    "offline": "not connected, whether it serves metrics is not known",
    "rejected": "Envoy REFUSED its configuration; what it served before stays in place",
    "refused": "REFUSED: no metrics endpoint, see the findings",
    "off": "metrics are off",
}


def dataplane_tree(answer: Json) -> str:
    """One proxy."""
    lines = [f"Dataplane {answer['dataplane']} in mesh {answer['mesh']}: {_HEADLINE[answer['metrics']]}"]
    shown = " with a certificate of the mesh" if answer.get("tls", {}).get("transport") == "mtls" else ""
    lines += (f"  scraped at {url}{shown}" for url in answer.get("urls", ()))
    lines += _section("findings", list(_findings(answer["findings"])) or ["none"])
    if "settings" in answer:
        lines += _section("settings", _settings(answer["settings"]))
        tls, access = answer["tls"], answer["access"]
        lines += _section("tls", [f"{tls['transport']}: {tls['reason']}", *_certificate(tls)])
        lines += _section("access", [access["reason"], *(f"source {_pairs(s)}" for s in access["sources"])])
        entries = [line for entry in answer["aggregate"] for line in _entry(entry)]
        lines += _section("applications", entries or ["none"])
    lines += _section("proxy", list(_proxy(answer["proxy"])))
    lines += _section("last scrape", list(_scrape(answer["lastScrape"])))
    return "\n".join(lines)


def _certificate(tls: Json) -> Iterator[str]:
    """What the agent says of a provided certificate."""
    if found := tls.get("certificate"):
        until = f", valid until {found['notAfter']}" if found["notAfter"] else ""
        detail = f": {found['detail']}" if found["detail"] else ""
        yield f"certificate {found['state']}{until}{detail}"


def mesh_tree(answer: Json) -> str:
    """One mesh."""
    proxies, connections = answer["proxies"], answer["connections"]
    lines = [
        f"Mesh {answer['mesh']}: {proxies['total']} {'proxy' if proxies['total'] == 1 else 'proxies'}",
        f"  metrics: {proxies['serving']} serve, {proxies['refused']} refuse, {proxies['off']} are off, "
        f"{proxies['rejected'] + proxies['offline']} unknown (rejected or offline); "
        f"{proxies['warned']} with warnings",
        f"  connections: {connections['online']} online, {connections['rejected']} rejected, "
        f"{connections['offline']} offline",
    ]
    found = []
    for each in answer["findings"]:
        more = ", …" if each["proxies"] > len(each["examples"]) else ""
        whom = f"{each['proxies']} of {proxies['total']} proxies: " + ", ".join(each["examples"]) + more
        found += [
            f"{each['code']} ({each['severity']}): {each.get('message') or whom}",
            f"  {each['cause']}",
            f"  remedy: {each['remedy']}",
        ]
    return "\n".join([*lines, *_section("findings", found or ["none"])])


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"  {title}", *(f"    {line}" for line in lines)]


def _findings(findings: list[Json]) -> Iterator[str]:
    for found in findings:
        yield f"{found['code']} ({found['severity']}): {found['message']}"
        if found["field"]:
            yield f"  at {found['field']}"
        yield f"  remedy: {found['remedy']}"


def _settings(settings: Json) -> list[str]:
    rows = [(name, _value(each["value"]), _origin(each), _overrode(each)) for name, each in settings.items()]
    return table(("setting", "value", "from", "overrides"), rows).splitlines()


def _entry(entry: Json) -> Iterator[str]:
    yield f"{entry['name'] or '(no name)'}: {entry['state']}, {entry['url'] or 'no port'}"
    written = {name: each for name, each in entry["settings"].items() if each["origin"]["layer"] != "default"}
    for name, each in written.items():
        overrode = _overrode(each)
        yield f"  {name} {_value(each['value'])} from {_origin(each)}" + (
            f", overrides {overrode}" if overrode else ""
        )
    if entry["finding"]:
        yield f"  {entry['finding']['code']}: {entry['finding']['message']}"


def _proxy(proxy: Json) -> Iterator[str]:
    since = proxy["connectedSince"]
    yield proxy["status"] + (f", connected for {age(since)} (since {since})" if since else "")
    versions = [f"{what} {proxy[key]}" for what, key in _VERSIONS if proxy[key]]
    if versions:
        yield ", ".join(versions)
    for type_url, version in sorted(proxy["acknowledged"].items()):
        yield f"acknowledged {_short(type_url)} {version}"
    if nack := proxy["nack"]:
        yield f"refused {_short(nack['type'])} at {nack['at']}: {nack['message']}"


_VERSIONS = (("agent", "agentVersion"), ("Envoy", "envoyVersion"))


def _scrape(report: Json | None) -> Iterator[str]:
    if report is None:
        yield "none was reported"
        return
    yield f"{age(report.get('received_at'))} ago, answered with status {report.get('status', 'unknown')}"
    sources = report.get("sources")
    for source in sources if isinstance(sources, list) else ():
        if not isinstance(source, Mapping):
            continue
        if source.get("up"):
            told = f"{source.get('samples', 0)} samples, {source.get('bytes', 0)} bytes"
        else:
            told = f"DOWN: {source.get('error')}: {source.get('detail', '')}".rstrip(": ")
        dropped = source.get("dropped")
        if isinstance(dropped, Mapping) and dropped:
            told += f", dropped {_pairs(dropped)}"
        lost = source.get("lost")
        if isinstance(lost, Mapping) and lost:
            told += f", lost {_pairs(lost)}"
        yield f"{source.get('name')}: {told}"
        yield from _problems(source)
        trouble = source.get("trouble")
        if isinstance(trouble, Mapping):
            yield f"  {_trouble(trouble)}"


def _problems(source: Json) -> Iterator[str]:
    """For each reason how many things were dropped or lost, and the first of them. Agents of earlier versions send
    texts instead."""
    counts = {
        reason: count
        for key in ("dropped", "lost")
        if isinstance(found := source.get(key), Mapping)
        for reason, count in found.items()
    }
    problems = source.get("problems")
    for problem in problems if isinstance(problems, list) else ():
        if not isinstance(problem, Mapping):
            continue
        reason, line, text = problem.get("reason"), problem.get("line"), problem.get("text")
        where = [f"line {line}"] if line else []
        what = [escaped(str(text).encode(errors="backslashreplace"))] if text else []
        first = ": ".join(where + what)
        yield f"  {reason} ({counts.get(reason, 0)})" + (f", first {first}" if first else "")


def _trouble(trouble: Json) -> str:
    """Since when a source is down, and what becomes of its time."""
    told = f"down for {trouble.get('failures')} scrapes in a row"
    since, success = trouble.get("since"), trouble.get("lastSuccess")
    if isinstance(since, int | float):
        told += f", since {_moment(since)}"
    told += f"; last read {_moment(success)}" if isinstance(success, int | float) else "; never read"
    if trouble.get("cutTo") is not None:
        again = trouble.get("wholeDeadlineIn")
        told += f"; waited for {trouble['cutTo']} s only, its whole deadline again " + (
            "in the next scrape" if again == 1 else f"in {again} scrapes"
        )
    return told


def _moment(seconds: float) -> str:
    try:
        return rfc3339(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, OSError, ValueError):
        return "an unknown time"


_WRITERS = {"operator": " (applied)", "agent": " (from its agent)"}


def _origin(each: Json) -> str:
    origin = each["origin"]
    if origin["layer"] == "default":
        return "default"
    who = _WRITERS.get(str(origin.get("writtenBy")), "")
    return f"{origin['resource']} {origin['field']}{who}"


def _overrode(each: Json) -> str:
    return "; ".join(f"{_value(o['value'])} ({_origin(o)})" for o in each["overrode"])


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "-" if value in (None, "") else str(value)


def _pairs(pairs: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(pairs.items()))


def _short(type_url: str) -> str:
    return type_url.rpartition(".")[2]

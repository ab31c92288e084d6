"""Applications as they are met, each with samples of its own names: what they answer, and what is known to be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from support.sources import Respond, answer

_OPENMETRICS = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"
_TEXT = "Content-Type: text/plain; version=0.0.4; charset=utf-8"
_PLAIN = b"# TYPE %s gauge\n%s 5\n"


@dataclass(frozen=True)
class Application:
    """One application. All its samples are named `k_<key>_…`."""

    respond: Respond
    openmetrics: bool = False
    counted: Mapping[str, int] = field(default_factory=dict)
    """What is lost and counted, by reason: samples, or parts of samples that stay (docs/metrics.md)."""
    added: int = 0
    """Buckets `+Inf` that histograms without one get."""
    refused: bool = False
    """Whether Prometheus refuses it as a whole where it is asked directly: nothing to compare with."""
    through: int | None = None
    """How many series come through us where nothing can be compared."""


def applications(now: float) -> dict[str, Application]:
    """By key. `now` is the time in seconds that explicit times are near to."""
    ms = int(now * 1000)
    return {
        "plain": _text(
            "# HELP k_plain_total Help with \\\\ and \\n.\n# TYPE k_plain_total counter\n"
            'k_plain_total{a="x\\"y"} 3\nk_plain_total{a="grüße"} 4.5e+06\n'
            '# TYPE k_plain_h histogram\nk_plain_h_bucket{le="0.1"} 1\nk_plain_h_bucket{le="+Inf"} 2\n'
            "k_plain_h_sum 1.5\nk_plain_h_count 2\n"
            '# TYPE k_plain_s summary\nk_plain_s{quantile="0.5"} NaN\nk_plain_s_sum 0\nk_plain_s_count 0\n'
            "k_plain_untyped -Inf\n"
        ),
        "times": _text(
            f"# TYPE k_times_g gauge\nk_times_g 1 {ms - 5000}\n"
            f'# TYPE k_times_h histogram\nk_times_h_bucket{{le="+Inf"}} 2 {ms - 4000}\n'
            f"k_times_h_sum 1 {ms - 4000}\nk_times_h_count 2 {ms - 4000}\n"
        ),
        "series": _text(
            f'# TYPE k_series_g gauge\nk_series_g{{x="1"}} 1 {ms - 9000}\nk_series_g{{x="1"}} 2 {ms - 6000}\n'
            f'k_series_g{{x="1"}} 3 {ms - 3000}\nk_series_g{{x="2"}} 4\n'
        ),
        "negative": _text(
            "# TYPE k_negative_g gauge\nk_negative_g 1 -62135596800000\nk_negative_other 2\n",
            counted={"timestamp": 1},
            refused=True,
            through=2,
        ),
        "huge": _text(
            'k_huge{x="1"} 1 1e30\nk_huge{x="2"} 2 1.7e+18\nk_huge{x="3"} 3 9223372036854775808\n',
            counted={"timestamp": 3},
            refused=True,
            through=3,
        ),
        "emptyle": _text(
            '# TYPE k_emptyle_g gauge\nk_emptyle_g{le=""} 1\nk_emptyle_g{quantile="",x="1"} 2\n'
            '# TYPE k_emptyle_h histogram\nk_emptyle_h_bucket{le="0.1"} 1\nk_emptyle_h_bucket{le="+Inf"} 2\n'
            "k_emptyle_h_sum 1\nk_emptyle_h_count 2\n"
        ),
        "afteremptyle": _text(
            '# TYPE k_afteremptyle_h histogram\nk_afteremptyle_h_bucket{le="0.1"} 1\n'
            'k_afteremptyle_h_bucket{le="+Inf"} 2\nk_afteremptyle_h_sum 1\nk_afteremptyle_h_count 2\n'
        ),
        "bare": _text(
            '# TYPE k_bare_h histogram\nk_bare_h{x="1"} 1\nk_bare_h{x="2"} 2\n'
            '# TYPE k_bare_s summary\nk_bare_s{x="1"} 1\nk_bare_s{x="2"} 2\n',
            counted={"type": 2},
        ),
        "noinf": _text(
            '# TYPE k_noinf_h histogram\nk_noinf_h_bucket{le="0.1"} 1\nk_noinf_h_bucket{le="1"} 4\n'
            "k_noinf_h_sum 2.5\nk_noinf_h_count 5\n",
            added=1,
        ),
        "exemplar": _text(
            '# TYPE k_exemplar_total counter\nk_exemplar_total 9 # {trace_id="a"} 1\nk_exemplar_other 1\n',
            refused=True,
            through=2,
        ),
        "scattered": _text(
            '# TYPE k_scattered_a gauge\nk_scattered_a{x="1"} 1\n# TYPE k_scattered_b gauge\nk_scattered_b 2\n'
            'k_scattered_a{x="2"} 3\nk_scattered_b{y="z"} 4\n'
        ),
        "om": _openmetrics(
            "# TYPE k_om counter\n# UNIT k_om_bytes bytes\n"
            'k_om_total 3.0 # {trace_id="x"} 1.0\nk_om_created 1700000000.5\n'
            '# TYPE k_om_i info\nk_om_i_info{version="1"} 1\n'
            '# TYPE k_om_s stateset\nk_om_s{k_om_s="up"} 1\nk_om_s{k_om_s="down"} 0\n'
            f"# TYPE k_om_g gauge\nk_om_g 7 {now - 5:.3f}\n"
        ),
        "omtimes": _openmetrics(
            '# TYPE k_omtimes gauge\nk_omtimes{x="1"} 1 -62135596800\nk_omtimes{x="2"} 2 1.7e+18\n'
            'k_omtimes{x="3"} 3\n',
            counted={"timestamp": 2},
        ),
        "omnegative": _openmetrics(
            '# TYPE k_omnegative histogram\nk_omnegative_bucket{le="-1.0"} 2 # {t="x"} -3\n'
            'k_omnegative_bucket{le="0.0"} 5\nk_omnegative_bucket{le="+Inf"} 6\nk_omnegative_count 6\n'
            '# TYPE k_omnegative_gh gaugehistogram\nk_omnegative_gh_bucket{le="+Inf"} 3\n'
            "k_omnegative_gh_gsum -42\nk_omnegative_gh_gcount 3\n",
            counted={"type": 2, "exemplar": 1},
        ),
        "omraced": _openmetrics(
            '# TYPE k_omraced histogram\nk_omraced_bucket{le="1.0"} 3\nk_omraced_bucket{le="+Inf"} 7\n'
            "k_omraced_sum 9\nk_omraced_count 8\n",
            counted={"type": 1},
        ),
        "encoding": Application(answer(_plain("encoding"), _TEXT, "Content-Encoding: none")),
        "head": Application(answer(_plain("head"), _TEXT, f"Content-Security-Policy: {'x' * 9000}")),
        "cookies": Application(answer(_plain("cookies"), _TEXT, *("Set-Cookie: a=b" for _ in range(300)))),
        "lengths": Application(answer(_plain("lengths"), _TEXT, f"Content-Length: {len(_plain('lengths'))}")),
        "slash": Application(_moved(_plain("slash"))),
    }


def _text(body: str, **more: object) -> Application:
    return Application(answer(body.encode(), _TEXT), **more)  # type: ignore[arg-type]  # fields of Application


def _openmetrics(body: str, **more: object) -> Application:
    return Application(answer(f"{body}# EOF\n".encode(), _OPENMETRICS), True, **more)  # type: ignore[arg-type]  # same


def _plain(key: str) -> bytes:
    name = f"k_{key}_g".encode()
    return _PLAIN % (name, name)


def _moved(body: bytes) -> Respond:
    """A server whose metrics are at `/metrics/`, which it says with a redirect. It cannot see what was asked, so every
    second connection is the one that follows."""
    connections = 0

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections % 2:
            await answer(b"", "Location: /metrics/", status="307 Temporary Redirect")(reader, writer)
        else:
            await answer(body, _TEXT)(reader, writer)

    return respond

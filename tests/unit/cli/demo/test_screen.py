"""What the demo shows, without starting it; the whole of it runs in tests/integration/test_demo.py."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console

from meshmeter.cli.demo.mesh import RunningMesh
from meshmeter.cli.demo.observation import Observation, Target
from meshmeter.cli.demo.screen import hints, table


def shown(renderable: object) -> str:
    console = Console(width=240)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_the_table_shows_every_target_and_the_traffic() -> None:
    seen = Observation(
        (
            Target("backend", "http://127.0.0.3:5670/metrics", error="status 503", prometheus="down"),
            Target("frontend", "http://127.0.0.2:5670/metrics", "", 12, 7, 2000, 20),
        )
    )
    text = shown(table(seen, Counter({"200": 9, "no answer": 1})))
    assert "9 × 200, 1 × no answer" in text
    assert "status 503" in text and "down" in text
    assert "http://127.0.0.2:5670/metrics" in text and "2000" in text


def test_a_target_list_that_cannot_be_read_is_shown() -> None:
    assert "refused" in shown(table(Observation((), "http://x: refused"), Counter()))


def test_the_hints_are_commands_to_try() -> None:
    mesh = RunningMesh(
        Path("/tmp/d"),
        Path("/tmp/d/cp"),
        {"discovery": "http://127.0.0.1:5676"},
        "http://127.0.0.2:8080/",
        "http://127.0.0.1:9090",
    )
    text = shown(hints(mesh))
    assert "curl http://127.0.0.2:8080/" in text
    assert "curl 'http://127.0.0.1:5676/v1/targets'" in text
    assert "http://127.0.0.1:9090/targets" in text

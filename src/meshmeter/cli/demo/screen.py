"""Running the demo on a terminal: start, show or verify, stop."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from meshmeter.cli.demo.interrupts import Interrupts
from meshmeter.cli.demo.mesh import RunningMesh, start
from meshmeter.cli.demo.observation import Observation, observe
from meshmeter.cli.demo.processes import Children
from meshmeter.errors import StartupError

VERIFY_SECONDS = 60.0
"""How long `--once` waits for everything to be right."""

OK, FAILED, CANNOT_START, INTERRUPTED = 0, 1, 3, 130

console = Console(width=None if sys.stdout.isatty() else 160)
"""Where output is not a terminal there is no width to ask for, and the usual 80 columns would cut the addresses."""


def run(*, once: bool, duration: float | None, prometheus: bool, mtls: bool = False) -> int:
    """Run the demo until it is verified, over, or interrupted; the exit code."""
    interrupts = Interrupts()
    with tempfile.TemporaryDirectory(prefix="meshmeter-demo-") as name:
        folder = Path(name)
        try:
            # Children are stopped before another Ctrl-C can end this process.
            with interrupts, Children(folder, on_check=interrupts.check) as children:
                console.print("starting a control plane, two applications and two Envoy sidecars …")
                mesh = start(children, folder, prometheus=prometheus, mtls=mtls)
                if mesh.prometheus_url is None:
                    console.print(
                        "no Prometheus started: "
                        + ("there is no `prometheus` on $PATH" if prometheus else "--no-prometheus")
                    )
                return interrupts.run(_drive(children, mesh, once=once, duration=duration))
        except StartupError as exc:
            if interrupts.is_told:  # what was started for a moment got the Ctrl-C too
                return _stopped(once)
            console.print(f"demo: {exc}", style="red", markup=False, highlight=False)
            return CANNOT_START
        except KeyboardInterrupt:
            return _stopped(once)


def _stopped(once: bool) -> int:
    console.print("stopped")
    return OK if not once else INTERRUPTED


async def _drive(children: Children, mesh: RunningMesh, *, once: bool, duration: float | None) -> int:
    answers: Counter[str] = Counter()
    async with ClientSession(timeout=ClientTimeout(total=5)) as session:
        try:
            async with asyncio.TaskGroup() as tasks:
                traffic = tasks.create_task(_traffic(session, mesh, answers), name="demo traffic")
                try:
                    if once:
                        return await _verify(children, session, mesh, answers)
                    return await _show(children, session, mesh, answers, duration)
                finally:
                    traffic.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None


async def _traffic(session: ClientSession, mesh: RunningMesh, answers: Counter[str]) -> None:
    """About 20 requests a second to the frontend, through both sidecars.

    They count from the first that got through on: until then the proxies are on their way, and no answer is no fault.
    """
    while True:
        try:
            async with session.get(mesh.frontend_url) as response:
                await response.read()
                answer = str(response.status)
        except (ClientError, TimeoutError):
            answer = "no answer"
        if answers or answer == "200":
            answers[answer] += 1
        await asyncio.sleep(0.05)


async def _verify(
    children: Children, session: ClientSession, mesh: RunningMesh, answers: Counter[str]
) -> int:
    """Wait until nothing lacks, print a short report; the exit code."""
    with_prometheus = mesh.prometheus_url is not None
    deadline = time.monotonic() + VERIFY_SECONDS
    while True:
        children.check()
        seen = await observe(session, mesh)
        lacking = seen.lacks(with_prometheus=with_prometheus)
        if not answers["200"]:
            lacking.append(f"{mesh.frontend_url} has not answered with 200 yet")
        if not lacking or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.25)
    console.print(table(seen, answers))
    if lacking:
        console.print(f"after {VERIFY_SECONDS:.0f} s still missing:", style="red")
        for line in lacking:
            console.print(f"  {line}", markup=False, highlight=False)
        for child in children.all:
            console.print(f"--- {child.name} said:\n{child.tail()}", markup=False, highlight=False)
        return FAILED
    console.print("every target is healthy, with metrics of its proxy and of its application", style="green")
    if mesh.identity:
        console.print("with a certificate of the mesh; without one, every target refuses", style="green")
    return OK


async def _show(
    children: Children,
    session: ClientSession,
    mesh: RunningMesh,
    answers: Counter[str],
    duration: float | None,
) -> int:
    """A live table until interrupted or over."""
    end = time.monotonic() + duration if duration is not None else float("inf")
    with Live(console=console, refresh_per_second=4) as live:
        while time.monotonic() < end:
            children.check()
            live.update(Group(table(await observe(session, mesh), answers), hints(mesh)))
            await asyncio.sleep(1)
    return OK


def table(seen: Observation, answers: Counter[str]) -> Table:
    """Every target with what scraping it gave, and the answers that the traffic got."""
    counts = ", ".join(f"{n} × {answer}" for answer, n in sorted(answers.items())) or "none yet"
    shown = Table(title=f"meshmeter demo: requests to the frontend: {counts}", title_justify="left")
    for column in ("proxy", "scraped at", "state"):
        shown.add_column(column)
    for column in ("proxy samples", "application samples", "upstream requests", "application requests"):
        shown.add_column(column, justify="right")
    shown.add_column("Prometheus")
    for target in seen.targets:
        shown.add_row(
            target.name,
            target.url,
            target.error or "ok",
            str(target.proxy_samples),
            str(target.application_samples),
            f"{target.upstream_requests:.0f}",
            f"{target.application_requests:.0f}",
            target.prometheus or "–",
        )
    if seen.error:
        shown.caption = seen.error
    return shown


def hints(mesh: RunningMesh) -> Table:
    """Commands and addresses to try."""
    lines = Table.grid(padding=(0, 2))
    through = "a request through the mesh" if mesh.identity else "a request through both sidecars"
    lines.add_row(through, f"curl {mesh.frontend_url}")
    lines.add_row("the target list for Prometheus", f"curl '{mesh.targets_url}'")
    if mesh.identity:
        files = (
            f"--cert {mesh.identity}/tls.crt --key {mesh.identity}/tls.key --cacert {mesh.identity}/ca.crt"
        )
        lines.add_row("a scrape with a certificate of the mesh", f"curl {files} https://…/metrics")
    lines.add_row(
        "what holds for a proxy", f"{command()} explain dataplane frontend --data-dir {mesh.data_dir}"
    )
    if mesh.prometheus_url:
        lines.add_row("Prometheus", f"{mesh.prometheus_url}/targets")
    lines.add_row("stop", "Ctrl-C")
    return lines


def command() -> str:
    """How to call meshmeter from the user's shell."""
    beside_python = Path(sys.executable).with_name("meshmeter")
    return "meshmeter" if shutil.which("meshmeter") else str(beside_python)

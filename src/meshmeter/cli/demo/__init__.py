"""`meshmeter demo`: a small real mesh on this machine, measured.

    application   the program behind each sidecar
    interrupts    being told to stop
    processes     starting and stopping children
    mesh          the scenario: control plane, two sidecars, two applications, Prometheus
    observation   what a client sees of it: targets, samples, verdict
    screen        how it is shown

Everything runs as a user would run it: the same commands, the manifests of `examples/`, real Envoys.
"""

from __future__ import annotations


def main(
    *, once: bool = False, duration: float | None = None, prometheus: bool = True, mtls: bool = False
) -> int:
    """Run the demo; the exit code. `once`: verify and stop; `duration`: stop after so many seconds."""
    from meshmeter.cli.demo.screen import run

    return run(once=once, duration=duration, prometheus=prometheus, mtls=mtls)

"""Identities of five seconds and a change of authority, under scrapes; a longer run is in `scripts`."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from support.processes import ControlPlane, eventually, get
from support.proxies import start_proxy
from support.rotation import Rotation


def test_no_scrape_fails_while_certificates_and_authority_change(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    rotation = Rotation(control_plane, tmp_path)
    proxy = rotation.start()
    # 5 s until the new files are read, 20 s until anybody shows a certificate of them, and some to see them.
    seen = rotation.scrape_for(proxy, 32, every=0.25, events={1: rotation.change_authority})
    assert seen.failures == []
    assert seen.shown_expired == 0
    assert seen.scrapes > 50 and len(seen.certificates) >= 6 and len(seen.authorities) == 2


def test_a_control_plane_killed_in_the_middle_of_a_change_costs_no_scrape(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    rotation = Rotation(control_plane, tmp_path, lifetime=timedelta(minutes=2))
    proxy = rotation.start()
    rotation.change_authority()
    eventually(lambda: rotation.trusted() == 2, "both authorities to be trusted")
    seen = rotation.scrape_for(
        proxy, 26, every=0.25, events={1: control_plane.process.kill, 3: control_plane.restart}
    )
    assert seen.failures == [] and seen.shown_expired == 0
    assert len(seen.authorities) == 2, "the change was completed"


def test_an_agent_killed_in_the_middle_of_a_change_comes_back_protected(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    rotation = Rotation(control_plane, tmp_path, lifetime=timedelta(minutes=2))
    proxy = rotation.start()
    rotation.change_authority()
    eventually(lambda: rotation.trusted() == 2, "both authorities to be trusted")
    proxy.process.kill()
    again = start_proxy(control_plane, proxy.document)

    in_plain = []

    def is_back() -> bool:
        with suppress(OSError):
            in_plain.append(get(proxy.metrics_url, timeout=2))
        return rotation.scrape_for(again, 0.1, every=0.1, events={}).failures == []

    eventually(is_back, "a scrape after the restart")
    assert in_plain == []

"""Identities of five seconds and a change of authority, under scrapes; a longer run is in `scripts`."""

from __future__ import annotations

from pathlib import Path

from support.processes import ControlPlane
from support.rotation import Rotation


def test_no_scrape_fails_while_certificates_and_authority_change(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    rotation = Rotation(control_plane, tmp_path)
    proxy = rotation.start()
    # 5 s until the new files are read, 20 s until anybody shows a certificate of them, and some to see them.
    seen = rotation.scrape_for(proxy, 32, every=0.25, change_at=1)
    assert seen.failures == []
    assert seen.shown_expired == 0
    assert seen.scrapes > 50 and len(seen.certificates) >= 6 and len(seen.authorities) == 2

"""A minute of scrapes, one per second, while certificates of five seconds and the authority of the mesh change.

Prints one line of JSON; the exit code is 1 if a scrape failed, or an expired certificate was shown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.processes import running, start_control_plane
from support.rotation import Rotation


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=1.0, help="seconds from one scrape to the next")
    parser.add_argument("--change-at", type=float, default=10.0, help="seconds until the authority changes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as processes:
        rotation = Rotation(start_control_plane(processes, Path(name)), Path(name))
        proxy = rotation.start()
        events = {options.change_at: rotation.change_authority}
        seen = rotation.scrape_for(proxy, options.seconds, every=options.every, events=events)
    print(seen.to_json())
    return 1 if seen.failures or seen.shown_expired else 0


if __name__ == "__main__":
    sys.exit(main())

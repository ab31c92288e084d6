"""The cached registration: what the agent needs to come up again while the control plane is away, on disk.

It holds the bootstrap, and with it a token: mode 0600, in the work directory (0700).
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from meshmeter.agent.control_plane import Registration
from meshmeter.agent.work_dir import write_private
from meshmeter.files import read_file

log = logging.getLogger(__name__)

FORMAT = 1
"""Raised when a newer agent could not use an older file."""


LARGEST = 64 << 20
"""Bytes of the file, which grows with the sources."""


class RegistrationCache:
    """The file of one work directory."""

    def __init__(self, path: Path, control_plane: str):
        self._path = path
        self._control_plane = control_plane

    def save(self, registration: Registration) -> None:
        """Keep it, replacing what was kept. A full disk costs only this, and is logged."""
        content = {
            "format": FORMAT,
            "controlPlane": self._control_plane,
            "workDir": str(self._path.parent),
            "registration": registration.to_json(),
        }
        try:
            write_private(self._path, content)
        except OSError as exc:
            log.warning("the state cannot be saved, a restart will need the control plane: %s", exc)

    def load(self, mesh: str, name: str) -> Registration | None:
        """What was kept for this Dataplane, control plane and directory; None if there is nothing of use."""
        try:
            data = json.loads(read_file(self._path, LARGEST))
            if (data["format"], data["controlPlane"], data["workDir"]) != (
                FORMAT,
                self._control_plane,
                str(self._path.parent),
            ):
                return None
            registration = Registration.from_json(data["registration"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as exc:
            log.warning("the saved state %s cannot be used: %r", self._path, exc)
            return None
        return registration if (registration.mesh, registration.name) == (mesh, name) else None

"""Run a command that dies with its parent: `python -I -S parent_death_signal.py PARENT_PID COMMAND [ARGUMENT...]`.

Envoy must not outlive its agent, not even one that was killed with SIGKILL and could not clean up: it would
keep the proxy's ports and nobody would watch it. Linux can do this (PR_SET_PDEATHSIG), but the child itself
has to ask for it between fork and exec. Code of ours between the two (`preexec_fn`) is unsafe in a process
with threads, and a helper program such as setpriv need not be installed. So the agent starts this file in a
fresh interpreter, which asks, looks whether the parent is still there, and becomes the command: same process
id, nothing left of Python. The wish survives exec. It is about the thread that started the child, which in
the agent is the main thread and lives as long as the process.

Standard library only: it is run by its path, isolated, in about 15 ms.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

CANNOT_ASK, CANNOT_EXECUTE = 125, 127


def main(arguments: list[str]) -> int:
    """Become the command; returns an exit code only if that fails."""
    parent, command = int(arguments[0]), arguments[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        print(f"prctl: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return CANNOT_ASK
    if os.getppid() != parent:
        return CANNOT_ASK  # it died before we asked
    try:
        os.execv(command[0], command)
    except OSError as exc:
        print(f"{command[0]}: {exc.strerror}", file=sys.stderr)
        return CANNOT_EXECUTE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

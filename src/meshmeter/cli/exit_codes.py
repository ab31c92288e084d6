"""Exit codes of every command."""

from __future__ import annotations

OK = 0
REFUSED = 1
"""The control plane or a document says no; each fault is printed."""
USAGE = 2
"""The command line, a variable or a file that it names is wrong."""
CANNOT_START = 3
"""A long-running command cannot start or go on."""
INTERRUPTED = 130
"""Ctrl-C."""

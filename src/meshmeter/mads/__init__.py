"""Projection 2: monitoring assignments and HTTP SD target groups.

Belongs here: one assignment per Dataplane with metrics on, its labels, its JSON. Never here: HTTP, waiting
clients.
"""

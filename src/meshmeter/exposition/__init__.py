"""Prometheus and OpenMetrics text: recognising formats, reading lines, and merging bodies into one valid body.

Belongs here: everything about exposition text. Computational only: bytes in, bytes out. Never here: fetching, HTTP,
mesh resources.
"""

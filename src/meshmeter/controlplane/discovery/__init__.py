"""Where Prometheus finds the proxies.

Belongs here: HTTP, clients that wait, bodies that are made once. Never here: the content of the answers (`mads`).
"""

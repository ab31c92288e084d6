"""The agent process beside Envoy: starts it, keeps its configuration, answers scrapes.

Belongs here: the lower box of design 1. It must stay small and start fast, so of the core it imports only `scrape`,
`exposition`, `documents` and the small modules below them, and nothing of the control plane.
"""

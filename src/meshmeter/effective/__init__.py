"""What holds for one Dataplane: every value in force together with where it comes from, and what is wrong
with it.

Belongs here: precedence (default < Mesh < Dataplane or annotations), aggregate entries, access by
TrafficPermission, findings. Computational only. Never here: Envoy, discovery or agent formats; those are
projections of this answer.
"""

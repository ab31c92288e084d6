"""The control plane process: servers, reconciler and the composition root.

Belongs here: everything of the upper box of design 1 that owns sockets, tasks or clocks. Never here: rules about
resources, Envoy formats or merging; those are the core's.
"""

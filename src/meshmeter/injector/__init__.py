"""What Kubernetes objects come to: sidecars in Pods, and the changes that users want in them.

Belongs here: functions of objects and configuration, as plain JSON. Computational only: no I/O, no clock, no logging.
Never here: talking to an API server.
"""

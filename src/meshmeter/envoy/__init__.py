"""Projection 1: the xDS snapshot and the bootstrap of one proxy.

Belongs here: names, clusters, listeners, endpoints, access control, all as pure functions of the effective
view. Never here: the discovery protocol (`xds`), processes, files.
"""

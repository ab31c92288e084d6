"""ADS: the configuration of every Envoy, over gRPC.

Belongs here: who may have a stream, and its I/O. Never here: the protocol (`xds`), what resources contain (`envoy`).
"""

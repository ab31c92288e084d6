"""The discovery protocol, ignorant of what resources mean: messages, snapshots, subscriptions, streams,
cache.

Belongs here: protobuf access, delta ADS state as sans-io objects. Never here: gRPC servers, mesh resources,
what a listener contains.
"""

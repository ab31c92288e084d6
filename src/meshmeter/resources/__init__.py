"""What users write: Mesh, Dataplane, TrafficPermission, as frozen typed models with their codec and rules.

Belongs here: the models, both envelopes, the defaults a stored Mesh gets, and validation. Computational only:
no I/O, no clock, no logging. Never here: what results for one proxy (`effective`), or how it is stored or
served.
"""

"""Certificate authorities, identities and tokens; time and randomness are arguments.

Belongs here: making and checking certificates and JWTs as values. Never here: files, stores, clocks.
"""

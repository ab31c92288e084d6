"""The authority of each mesh, the identities that it signs, and the secrets that this takes.

Belongs here: trust over time, from where it comes to how one follows another. Never here: how a certificate looks
(`certs`), who needs one (`reconcile`).
"""

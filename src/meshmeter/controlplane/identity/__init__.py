"""The authority of each mesh, the identities that it signs, and the secrets that this takes."""

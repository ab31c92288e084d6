"""Tokens: issued, verified, revoked, and what one may cost."""

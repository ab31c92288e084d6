"""Tokens: issued, verified, revoked, and what one may cost.

Never here: what a token covers of a Dataplane (`admission`), where it comes from in a request (`http`).
"""

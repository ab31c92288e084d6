"""Running proxies: how agents register and report, and what is known of each.

Belongs here: the dataplane API and what is observed. Never here: what holds for a proxy; observations inform people.
"""

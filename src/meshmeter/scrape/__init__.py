"""One scrape as data: what to fetch (plan), what came back, and the answer (gather).

Belongs here: the agent's scrape configuration, deadlines, limits, the rules of combining sources. Computational only:
times and results are arguments. Never here: sockets, tasks, Envoy configuration.
"""

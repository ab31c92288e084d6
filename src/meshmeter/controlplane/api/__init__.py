"""The resource API: what operators read and write.

Belongs here: requests and answers, and their description. Never here: computing what holds (`effective`), what proxies
ask for (`proxies`).
"""

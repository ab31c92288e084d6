"""What becomes of a document before it is stored: who may write it, and what is made of it.

Belongs here: rules that need what is stored, or who asks; marks, layers and zones of a stored Dataplane. Never here:
sockets, state, rules about a document alone (`resources.validation`).
"""

"""Where resources are kept: versioned, watched, durable.

Belongs here: the Store protocol and its engines. Never here: validation of content, HTTP.
"""

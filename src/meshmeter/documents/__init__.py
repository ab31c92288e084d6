"""YAML and JSON as people write them: one grammar and one set of limits for the agent, the command line and the API.

What comes out is plain JSON, with the places of its fields at hand; what the fields mean is for others to say.
"""

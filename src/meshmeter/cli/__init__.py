"""The command line: one module per group of commands, an API client, output.

Belongs here: arguments, exit codes, presentation. Never here: rules; a command decodes, calls and prints.
"""

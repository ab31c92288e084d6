"""Where meshmeter goes its own way, as rules over cases.

Each rule is named after its row of deviations.md and turns what a vector expects from the reference implementation
into what must hold here. Rules look at the content of a case, never at its name, so another tree of the same shape
runs unchanged.
"""

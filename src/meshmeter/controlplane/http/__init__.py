"""HTTP as every server of the control plane speaks it: connections within limits, who asks, bodies, errors.

Never here: the paths or the subject of one API.
"""

"""From what is stored to what is published: one loop that recompiles what a change touches.

Never here: HTTP, gRPC, who waits for what is published, or the computation itself (`pipeline`).
"""

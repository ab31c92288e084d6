"""From what is stored to what is published: one loop that recompiles what a change touches."""

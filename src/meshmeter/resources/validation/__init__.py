"""The rules of each kind, as findings with a path (kuma-facts 1 to 3)."""

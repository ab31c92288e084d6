"""Running proxies: how agents register and report, and what is known of each."""

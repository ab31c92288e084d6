"""Where Prometheus finds the proxies."""

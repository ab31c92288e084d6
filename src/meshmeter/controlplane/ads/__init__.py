"""ADS: the configuration of every Envoy, over gRPC."""

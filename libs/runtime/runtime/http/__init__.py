"""HTTP: servers' limits and probes, and a client for URLs that users name."""

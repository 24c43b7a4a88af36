"""Fixtures: the service's handlers and queries on a database of their own."""

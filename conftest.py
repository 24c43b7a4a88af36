"""Fixtures for every test: real PostgreSQL, real NATS, the whole system."""

pytest_plugins = ["onebox.testing"]

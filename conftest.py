"""Fixtures for every test: real PostgreSQL, real NATS, the whole system."""

import sys

sys.dont_write_bytecode = False  # otherwise every process of a run would compile everything that it imports

pytest_plugins = ["onebox.testing", "onebox.testing.captured"]

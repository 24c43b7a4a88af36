"""Fixtures for every test: real PostgreSQL, real NATS, the whole system."""

import sys

sys.dont_write_bytecode = False  # else every process of a run would compile all that it imports anew

pytest_plugins = ["onebox.testing"]

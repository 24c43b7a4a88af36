"""Fixtures for every test: real PostgreSQL, real NATS, the whole system."""

import sys

from hypothesis import HealthCheck, settings

sys.dont_write_bytecode = False  # otherwise every process of a run would compile everything that it imports

pytest_plugins = [
    *("onebox.testing", "onebox.testing.captured", "onebox.testing.failures", "onebox.testing.orphans"),
]

# Neither chance nor a busy machine fails a test; --hypothesis-profile=random looks for examples that nobody has seen.
PATIENT = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", PATIENT, derandomize=True)
settings.register_profile("random", PATIENT)
settings.load_profile("repeatable")

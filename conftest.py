"""Fixtures for every test: real PostgreSQL, real NATS, the whole system."""

import gc
import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

sys.dont_write_bytecode = False  # otherwise every process of a run would compile everything that it imports

gc.disable()  # what is imported and collected stays: to look for garbage in it doubles the time that collecting takes

SELDOM = (100_000, 20, 100)
"""When to look for garbage: by default, that takes a tenth of the time of a test."""

pytest_plugins = [
    "onebox.testing",
    *(
        f"onebox.testing.{name}"
        for name in (
            "captured",
            "certificates",
            "collecting",
            "distribution",
            "failures",
            "orphans",
            "preloading",
            "stopping",
        )
    ),
]

# Neither chance nor a busy machine fails a test. `make test-all` tries more examples (--hypothesis-profile=thorough);
# --hypothesis-profile=random looks for examples that nobody has seen.
PATIENT = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", PATIENT, derandomize=True, max_examples=25)
settings.register_profile("thorough", PATIENT, derandomize=True)
settings.register_profile("random", PATIENT)
settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Enable garbage collection after collecting, but not of what has been collected, and seldom."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*SELDOM)
        gc.enable()

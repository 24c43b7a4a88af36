from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from onebox.testing.system import System

from tests.e2e.sweep.journey import Sweep, Sweeper

SETTINGS = {"LOGIN_FAILURES_PER_ADDRESS": "100000", "LOGIN_FAILURES_PER_ACCOUNT": "100000"}
"""All clients have one address, and some of them send examples of passwords."""


@pytest.fixture(scope="session")
def swept_system(agent_program: Path | None) -> Generator[System]:
    """A system that a sweep changes, and nothing else uses."""
    with System(SETTINGS) as system:
        system.start()
        yield system


@pytest.fixture(scope="session")
def sweep(swept_system: System) -> Sweep:
    """The responses to every client."""
    with ExitStack() as opened:
        return Sweeper(swept_system, opened).run()

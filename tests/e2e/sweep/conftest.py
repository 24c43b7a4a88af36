from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from onebox.testing.system import System

from tests.e2e.sweep.journey import Sweep, Sweeper

SETTINGS = {
    "LOGIN_FAILURES_PER_ADDRESS": "100000",
    "LOGIN_FAILURES_PER_ACCOUNT": "100000",
    "WAITING_AGENT_SECONDS": "3600",
}
"""All clients have one address, and some of them send examples of passwords. A run that waits for an approval is not
released during a sweep, which on a busy machine takes longer than the default: that would record its usage.
"""
SHORT, COMPLETE = "short", "complete"


@pytest.fixture(scope="session")
def swept_system(agent_program: Path | None) -> Generator[System]:
    """A system that a sweep changes, and nothing else uses."""
    with System(SETTINGS) as system:
        system.start()
        yield system


@pytest.fixture(scope="session", params=[SHORT, pytest.param(COMPLETE, marks=pytest.mark.long)])
def sweep(request: pytest.FixtureRequest, swept_system: System) -> Sweep:
    """The responses to every client: to all requests, or to a share of those with keys and invalid credentials."""
    with ExitStack() as opened:
        return Sweeper(swept_system, opened, is_short=request.param == SHORT).run()

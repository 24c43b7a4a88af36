import os
import resource
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from onebox.testing.system import System

from tests.adversarial.attacker import Attacker
from tests.e2e.user import User, newcomer

ORDINARY = [sys.executable, str(Path(__file__).with_name("ordinary.py"))]


@pytest.fixture(scope="package", params=["started by root", "started by another"])
def attacked(request: pytest.FixtureRequest, servers: None) -> Generator[System]:
    """A whole system, started by root, and then by an ordinary account."""
    is_root = os.geteuid() == 0
    if request.param == "started by root" and not is_root:
        pytest.skip("the tests do not run as root: the system is started by this account alone")
    command = (
        ORDINARY
        if is_root and request.param == "started by another"
        else [sys.executable, "-m", "onebox", "--follow-parent"]
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # As it is by default on most machines, or a little more: agents, which may raise it, exceed it easily.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, soft), hard))
    with System({"AGENT_MEMORY_BYTES": str(2**30), "AGENT_PROCESSES": "128"}, command, claude_code=True) as system:
        system.start()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        yield system


@pytest.fixture(scope="package")
def someone(attacked: System) -> Generator[User]:
    yield from newcomer(attacked)


@pytest.fixture
def another(attacked: System) -> Generator[User]:
    yield from newcomer(attacked)


@pytest.fixture(scope="package")
def attacker(someone: User) -> Attacker:
    """Return the agent that all tests share; they leave files of different names in its workspace."""
    return Attacker(someone)


@pytest.fixture
def neighbour(another: User) -> Attacker:
    """An agent of somebody else."""
    return Attacker(another)

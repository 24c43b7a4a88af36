import asyncio
import os
import resource
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from onebox.testing.folders import temporary_folder
from onebox.testing.system import System
from sandbox import Sandbox

from tests.adversarial.attacker import LIMITS, Agent, Alone, Attacker
from tests.e2e.user import newcomer

ORDINARY = [sys.executable, str(Path(__file__).with_name("ordinary.py"))]
ROOT, ANOTHER = "started by root", "started by another"
PLACES = ("alone in a sandbox", *(pytest.param(name, marks=pytest.mark.long) for name in (ROOT, ANOTHER)))


@pytest.fixture(scope="session", params=PLACES)
def attacked_system(request: pytest.FixtureRequest, servers: None) -> Generator[System | None]:
    """A whole system, started by root, and then by an ordinary account; None if the attackers need no agent."""
    if request.param not in (ROOT, ANOTHER):
        with _few_descriptors():
            yield None
        return
    is_root = os.geteuid() == 0
    if request.param == ROOT and not is_root:
        pytest.skip("the tests do not run as root: the system is started by this account alone")
    command = ORDINARY if is_root and request.param == ANOTHER else [sys.executable, "-m", "onebox"]
    limits = {"AGENT_MEMORY_BYTES": str(LIMITS.memory_bytes), "AGENT_PROCESSES": str(LIMITS.processes)}
    with System(limits, command, claude_code=True) as system:
        with _few_descriptors():
            system.start()
        yield system


@contextmanager
def _few_descriptors() -> Generator[None]:
    """Allow as many as most machines do by default, or a little more: agents, which may raise it, exceed it easily."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="session")
def sandbox(servers: None) -> Sandbox:
    """The sandbox of this machine."""
    sandbox, reason = asyncio.run(Sandbox.find())
    assert reason is None, reason
    return sandbox


@contextmanager
def _attacker(system: System | None, sandbox: Sandbox) -> Generator[Attacker]:
    with ExitStack() as opened:
        if system is None:
            yield Alone(sandbox, opened.enter_context(temporary_folder()))
        else:
            for user in newcomer(system):
                yield Agent(user, system)


@pytest.fixture(scope="session")
def attacker(attacked_system: System | None, sandbox: Sandbox) -> Generator[Attacker]:
    """Yield the attacker that all tests share; they leave files of different names in its workspace."""
    with _attacker(attacked_system, sandbox) as attacker:
        yield attacker


@pytest.fixture
def neighbour(attacked_system: System | None, sandbox: Sandbox) -> Generator[Attacker]:
    """Yield somebody else."""
    with _attacker(attacked_system, sandbox) as neighbour:
        yield neighbour

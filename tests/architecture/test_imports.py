"""The house keeps its import contracts, and every contract notices an import that it forbids."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.architecture.house import ROOT, members

NAMES = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

GATEWAY = "services/gateway/gateway"
IDENTITY = "services/identity/identity"
MCP_REGISTRY = "services/mcp-registry/mcp_registry"
REPORT = "services/report/report"
SESSION = "services/session/session"
TASK_SCHEDULER = "services/task-scheduler/task_scheduler"

FORBIDDEN: dict[str, list[tuple[str, str]]] = {
    "members": [
        (f"{SESSION}/dependencies.py", "import identity.keys"),
        (f"{GATEWAY}/settings.py", "from session import settings"),
        ("libs/onebox/onebox/services.py", "import gateway.app"),
        ("libs/simulator/simulator/app.py", "import onebox"),
        ("libs/runtime/runtime/process.py", "import eventing.store"),
        ("libs/sandbox/sandbox/process.py", "import eventing.store"),
        ("libs/contracts/contracts/messages.py", "import runtime.clock"),
    ],
    "gateway-stores-nothing": [(f"{GATEWAY}/app.py", "from eventing.store import EventStore")],
    "simulator-stands-alone": [("libs/simulator/simulator/wire.py", "import contracts.refusals")],
    "one-event-library": [(f"{SESSION}/projections/session.py", "import eventsourcing.domain")],
    "one-database-driver": [
        (f"{IDENTITY}/dependencies.py", "import asyncpg"),
        ("libs/onebox/onebox/launcher.py", "import asyncpg"),
    ],
    "one-bus-library": [(f"{GATEWAY}/streams/feed.py", "from nats.aio.msg import Msg")],
    "contracts-are-values": [
        ("libs/contracts/contracts/session/values.py", "import httpx"),
        ("libs/contracts/contracts/session/values.py", "import os"),
    ],
    "aggregates-are-pure": [
        (f"{SESSION}/aggregate.py", "import asyncio"),
        (f"{SESSION}/aggregate.py", "from runtime import clock"),
        (f"{IDENTITY}/aggregate.py", "from eventing.database import Database"),
        (f"{IDENTITY}/aggregate.py", "import secrets"),
    ],
    "schedules-are-pure": [
        (f"{TASK_SCHEDULER}/schedule/cron.py", "import time"),
        (f"{TASK_SCHEDULER}/schedule/__init__.py", "from runtime import clock"),
    ],
    "gateway-rooms": [
        (f"{GATEWAY}/problems.py", "import gateway.state"),
        (f"{GATEWAY}/stray.py", "x = 1"),
    ],
    "gateway-goes-one-way": [(f"{GATEWAY}/auth/keys.py", "import gateway.streams.feed")],
    "identity-rooms": [
        (f"{IDENTITY}/handlers/user.py", "import identity.queries.user"),
        (f"{IDENTITY}/keys.py", "import identity.aggregate"),
        (f"{IDENTITY}/stray.py", "x = 1"),
    ],
    "mcp_registry-rooms": [
        (f"{MCP_REGISTRY}/aggregate/server.py", "import mcp_registry.connections"),
        (f"{MCP_REGISTRY}/queries/server.py", "import mcp_registry.handlers.server"),
        (f"{MCP_REGISTRY}/stray.py", "x = 1"),
    ],
    "report-rooms": [
        (f"{REPORT}/storage/local.py", "import report.dependencies"),
        (f"{REPORT}/content.py", "import report.collecting"),
        (f"{REPORT}/stray.py", "x = 1"),
    ],
    "session-rooms": [
        (f"{SESSION}/aggregate.py", "import session.settings"),
        (f"{SESSION}/agent/transcript.py", "import session.dependencies"),
        (f"{SESSION}/stray/__init__.py", "x = 1"),
    ],
    "task_scheduler-rooms": [
        (f"{TASK_SCHEDULER}/aggregate/task.py", "import task_scheduler.dependencies"),
        (f"{TASK_SCHEDULER}/projections/task.py", "import task_scheduler.queries.task"),
        (f"{TASK_SCHEDULER}/stray.py", "x = 1"),
    ],
    "session-agent-rooms": [(f"{SESSION}/agent/transcript.py", "import session.agent.live")],
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the house without its tests; leave it as it is."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for part in (*(member.source.relative_to(ROOT) for member in members(ROOT)), "tests/architecture"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@contextmanager
def added(line: str, module: Path) -> Generator[None]:
    """Add a line to a module, which is made if need be, and take it away again."""
    before = module.read_text() if module.exists() else None
    new_folder = not module.parent.exists()
    module.parent.mkdir(exist_ok=True)
    module.write_text(f"{before or ''}\n{line}\n")
    yield
    if before is not None:
        module.write_text(before)
    elif new_folder:
        shutil.rmtree(module.parent)
    else:
        module.unlink()


def lint(tree: Path, *arguments: str) -> tuple[int, str]:
    """Run import-linter on a tree, whose packages go before the installed ones."""
    folders = ":".join(str(folder) for top in ("libs", "services") for folder in (tree / top).iterdir())
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", *arguments]
    environment = os.environ | {"PYTHONPATH": folders, "COLUMNS": "200"}  # noqa: TID251  for a child
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_the_repository_keeps_its_import_contracts(copy: Path) -> None:
    code, output = lint(copy)
    assert (code, "0 broken" in output) == (0, True), output


def test_every_import_contract_has_a_counter_example() -> None:
    assert [contract for contract in NAMES if contract not in FORBIDDEN] == []


@pytest.mark.parametrize(
    ("contract", "path", "line"), [(contract, *seed) for contract in NAMES for seed in FORBIDDEN.get(contract, [])]
)
def test_the_contract_reports_a_violation(contract: str, path: str, line: str, copy: Path) -> None:
    with added(line, copy / path):
        code, output = lint(copy, "--contract", contract)
    assert (code, f"{NAMES[contract]} BROKEN" in output) == (1, True), output

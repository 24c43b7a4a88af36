"""Attacks by STDIO servers on the machine, on other servers, and on the service that started them."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from onebox.testing.folders import temporary_folder
from onebox.testing.system import until

from tests.adversarial.stdio_attacks import FORBIDDEN

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tests.adversarial.stdio_attacks"]
pytestmark = [pytest.mark.usefixtures("servers"), pytest.mark.timeout(600)]


THIS, ANOTHER = "started by this account", "started by another"
# The kernel does not limit the processes of root, so that the other account shows more.
ACCOUNTS = (THIS,) if os.geteuid() else (ANOTHER, pytest.param(THIS, marks=pytest.mark.long))


@pytest.fixture(scope="module", params=ACCOUNTS)
def results(request: pytest.FixtureRequest, servers: None) -> Generator[dict[str, Any]]:
    """The results of all attacks by servers of one service."""
    account = ["nobody"] if request.param == ANOTHER else []
    with temporary_folder() as folder:
        command = [*PROGRAM, "attack", str(folder), *account]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)
        assert ended.returncode == 0, ended.stderr
        yield json.loads(ended.stdout.splitlines()[-1])


def test_no_secret_of_the_service_or_another_server_is_readable(results: dict[str, Any]) -> None:
    assert (len(results["found"]) > 4, any(results["found"])) == (True, False)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_no_forbidden_address_is_reachable_directly(results: dict[str, Any], address: str) -> None:
    assert results[f"connect to {address}"] in ("ConnectionRefusedError", "OSError", "gaierror")


@pytest.mark.parametrize("address", [*FORBIDDEN, "rebound name"])
def test_no_forbidden_address_is_reachable_through_the_proxy(results: dict[str, Any], address: str) -> None:
    assert results[f"proxy to {address}"].endswith("can allow it with `MCP_ALLOWED_ADDRESSES`.")


def test_no_connection_to_a_port_of_the_machine_arrives(results: dict[str, Any]) -> None:
    assert "accepted" not in results


@pytest.mark.parametrize("call", ["unshare", "mount", "ptrace"])
def test_a_system_call_that_weakens_the_sandbox_is_denied(results: dict[str, Any], call: str) -> None:
    assert results["calls"][call] == "EPERM"


def test_a_fork_bomb_is_bounded_and_leaves_other_servers_working(results: dict[str, Any]) -> None:
    children, error = results["fork bomb"] or (0, "BlockingIOError")  # the kernel does not limit root
    assert (children < 512, error, results["other server"]) == (True, "BlockingIOError", "works")


def test_a_killed_service_leaves_no_process_of_a_server_behind(open_folder: Path) -> None:
    seconds = str(10_000_000 + os.getpid())
    service = subprocess.Popen(
        [*PROGRAM, "wait", seconds, str(open_folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert service.stdout
        assert "started\n" in service.stdout  # after lines of the log
        until(lambda: sleeping(seconds))  # while a process begins, its command line is empty
    finally:
        service.kill()
        service.communicate()
    until(lambda: not sleeping(seconds))


def sleeping(seconds: str) -> list[Path]:
    """Return the processes of `sleep` with this argument."""
    found: list[Path] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path.parent] if path.read_bytes().split(b"\0")[:2] == [b"sleep", seconds.encode()] else []
        except OSError:  # the process has ended meanwhile
            continue
    return found

"""Attacks on the memory and the processes of a machine whose cgroups hold sandboxes."""

import json
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
from sandbox.cgroups import CONTROLLERS, Cgroup

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tests.adversarial.cgroup_attacks"]
MOUNTS = Path("/proc/self/mounts")


def hierarchy() -> Path:
    """Return the root of the cgroups, in which tests may create some; skip the test if there is none."""
    mounts = MOUNTS.read_text().splitlines() if MOUNTS.exists() else []
    root = next((Path(mount.split()[1]) for mount in mounts if mount.split()[2] == "cgroup2"), None)
    if root is None:
        pytest.skip("there is no file system of cgroups of version 2")
    if missing := {*CONTROLLERS} - {*(root / "cgroup.subtree_control").read_text().split()}:
        pytest.skip(f"the machine has not enabled the controllers {sorted(missing)} of cgroups of version 2")
    if os.geteuid() != 0:
        pytest.skip("only root may create a cgroup at the root of the hierarchy")
    return root


@contextmanager
def new_cgroup() -> Generator[Path]:
    """Create a cgroup, and remove it with all below it."""
    folder = Path(tempfile.mkdtemp(prefix="agentapi-test-", dir=hierarchy()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for path in [*sorted(folder.rglob("*/"), reverse=True), folder]:
            Cgroup(path).remove()


@pytest.fixture
def own() -> Generator[Path]:
    """A cgroup for a service."""
    with new_cgroup() as folder:
        yield folder


def start(own: Path, *arguments: str) -> Popen[str]:
    """Start the service in the cgroup."""
    command = ["sh", "-c", f'echo 0 > {own}/cgroup.procs && exec "$@"', "sh", *PROGRAM, *arguments]
    return Popen(command, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True)


def output(own: Path, *arguments: str) -> str:
    """Return what the service prints last in the cgroup."""
    stdout, stderr = start(own, *arguments).communicate(timeout=120)
    assert stdout, stderr
    return stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def results(servers: None) -> Generator[dict[str, Any]]:
    """The results of all attacks."""
    with new_cgroup() as own:
        yield json.loads(output(own, "attack"))


@pytest.mark.parametrize("attack", ["allocate", "fill"])
def test_a_sandbox_that_exceeds_its_memory_is_ended(results: dict[str, Any], attack: str) -> None:
    assert results[attack] == ["", True]


def test_a_fork_bomb_is_limited(results: dict[str, Any]) -> None:
    children, error = results["fork bomb"][0].split()
    assert (int(children) < 64, error) == (True, "BlockingIOError")


def test_another_sandbox_is_not_affected(results: dict[str, Any]) -> None:
    assert results["neighbour"] == ["works", False]


def test_a_program_does_not_see_cgroups(results: dict[str, Any]) -> None:
    assert results["look"][0] == "0::/ False"


def test_the_cgroups_of_ended_sandboxes_are_removed(results: dict[str, Any]) -> None:
    assert results["left"] == []


def test_the_service_moves_to_a_part_of_its_cgroup(own: Path) -> None:
    assert output(own, "find") == f"{own}/agentapi/sandboxes /{own.name}/agentapi/services"


def test_an_account_gets_the_cgroup_that_root_divided(own: Path) -> None:
    assert output(own, "find", "nobody") == f"{own}/agentapi/sandboxes /{own.name}/agentapi/services"


def test_a_cgroup_with_other_processes_is_not_changed(own: Path) -> None:
    other = Popen(["sh", "-c", f"echo 0 > {own}/cgroup.procs && echo started && exec sleep 60"], stdout=PIPE)
    assert other.stdout
    other.stdout.readline()
    assert output(own, "find") == f"{own} holds other processes, too /{own.name}"
    assert [path.name for path in own.glob("*/")] == []
    other.kill()
    other.communicate()


def test_the_cgroups_of_a_killed_service_are_removed_at_the_next_start(own: Path, servers: None) -> None:
    with start(own, "wait") as service:
        assert service.stdout
        cgroup = next(Path(line.strip()) for line in service.stdout if line.startswith("/"))
        assert cgroup.is_dir()
        service.kill()
    output(own / "agentapi" / "services", "find")
    assert not cgroup.exists()

"""Dividing the own cgroup, in a folder that stands in for the file system of cgroups (see `tests/adversarial`)."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from sandbox import Resources
from sandbox.cgroups import Cgroup, Cgroups, divide_own_cgroup

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Machine:
    """Files of a kernel, whose service is in the cgroup `/unit`."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.root = folder / "proc", folder / "cgroup"
        self.own = self.root / "unit"
        self.proc.mkdir()
        self.own.mkdir(parents=True)
        (self.proc / "cgroup").write_text("4:memory:/other\n0::/unit\n")
        (self.proc / "mountinfo").write_text(f"35 31 0:34 / {self.root} rw shared:1 - cgroup2 cgroup2 rw\n")
        self.write("cgroup.controllers", "cpu memory pids")
        self.write("cgroup.subtree_control", "")
        self.write("cgroup.procs", str(os.getpid()))
        self.write("cgroup.type", "domain")

    def write(self, name: str, text: str) -> None:
        """Set a file of the own cgroup."""
        (self.own / name).write_text(text)

    def divide(self) -> tuple[Path | None, str | None]:
        """Divide the own cgroup."""
        return divide_own_cgroup(proc=self.proc)


@pytest.fixture
def kernel(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_process_moves_and_controllers_are_enabled(kernel: Machine) -> None:
    base = kernel.own / "agentapi"
    assert kernel.divide() == (base, None)
    assert (base / "services" / "cgroup.procs").read_text() == str(os.getpid())
    assert [(path / "cgroup.subtree_control").read_text() for path in (kernel.own, base)] == ["+memory +pids"] * 2


def test_a_child_finds_the_cgroup_divided(kernel: Machine) -> None:
    (kernel.proc / "cgroup").write_text("0::/unit/agentapi/services\n")
    assert kernel.divide() == (kernel.own / "agentapi", None)


def test_the_machines_root_is_used_only_if_its_controllers_are_enabled(kernel: Machine) -> None:
    (kernel.own / "cgroup.type").unlink()
    assert kernel.divide() == (None, f"the machine has not enabled its controllers in {kernel.own}")
    kernel.write("cgroup.subtree_control", "cpu memory pids")
    assert kernel.divide() == (kernel.own / "agentapi", None)
    assert (kernel.own / "cgroup.subtree_control").read_text() == "cpu memory pids"


def test_missing_controllers_are_named(kernel: Machine) -> None:
    kernel.write("cgroup.controllers", "cpu memory")
    assert kernel.divide() == (None, f"the controllers pids are not available in {kernel.own}")


def test_a_cgroup_of_several_processes_is_not_divided(kernel: Machine) -> None:
    kernel.write("cgroup.procs", f"1\n{os.getpid()}\n")
    assert kernel.divide() == (None, f"{kernel.own} holds other processes, too")
    assert not (kernel.own / "agentapi").exists()


@pytest.mark.parametrize("path", ["/../other", "/elsewhere"])
def test_a_cgroup_that_is_not_mounted_is_not_divided(kernel: Machine, path: str) -> None:
    (kernel.proc / "cgroup").write_text(f"0::{path}\n")
    (kernel.proc / "mountinfo").write_text(f"35 31 0:34 /unit {kernel.root} rw - cgroup2 cgroup2 rw\n")
    assert kernel.divide() == (None, "no file system of cgroups of version 2 shows the own cgroup")


def test_a_refusal_of_the_kernel_moves_the_process_back(kernel: Machine) -> None:
    kernel.write("cgroup.procs", str(os.getpid()))
    (kernel.own / "cgroup.subtree_control").unlink()
    (kernel.own / "cgroup.subtree_control").mkdir()
    (kernel.own / "agentapi").mkdir()
    folder, reason = kernel.divide()
    assert (folder, "Is a directory" in (reason or "")) == (None, True)
    assert (kernel.own / "cgroup.procs").read_text() == str(os.getpid())


def test_controllers_that_were_enabled_are_disabled_again(kernel: Machine) -> None:
    (kernel.own / "agentapi").mkdir()
    (kernel.own / "agentapi" / "cgroup.subtree_control").mkdir()
    assert kernel.divide()[0] is None
    assert (kernel.own / "cgroup.subtree_control").read_text() == "-memory -pids"


def test_cgroups_that_cannot_be_entered_are_not_used(kernel: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (kernel.proc / "cgroup").write_text("0::/unit/agentapi/services\n")
    (kernel.own / "agentapi").mkdir()
    monkeypatch.setattr("sandbox.cgroups.REMOVE_SECONDS", 0)
    monkeypatch.setattr(Cgroup, "enter", "echo permission denied >&2; exit 2")
    assert Cgroups.find(kernel.proc) == (None, "permission denied")


@pytest.mark.parametrize(
    ("limit", "together"), [("1000", 750), ("max", int(MACHINE * 0.75)), ("9" * 18, int(MACHINE * 0.75))]
)
def test_all_sandboxes_together_leave_memory_to_the_services(
    kernel: Machine, monkeypatch: pytest.MonkeyPatch, limit: str, together: int
) -> None:
    kernel.write("memory.max", limit)
    monkeypatch.setattr(Cgroups, "check", Mock())
    cgroups, _ = Cgroups.find(kernel.proc)
    assert cgroups
    assert cgroups.folder == kernel.own / "agentapi" / "sandboxes"
    assert int((cgroups.folder / "memory.max").read_text()) == together
    assert (cgroups.folder / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_a_common_limit_that_is_refused_leaves_no_cgroups(kernel: Machine) -> None:
    (kernel.own / "agentapi" / "sandboxes" / "memory.max").mkdir(parents=True)
    cgroups, reason = Cgroups.find(kernel.proc)
    assert (cgroups, "Is a directory" in (reason or "")) == (None, True)


def test_a_sandbox_gets_its_limits(tmp_path: Path) -> None:
    cgroup = Cgroups(tmp_path).create(Resources(memory_bytes=1000, processes=10))
    limits = {path.name: path.read_text() for path in cgroup.folder.iterdir()}
    assert limits == {"memory.max": "1000", "memory.oom.group": "1", "pids.max": "10"}


@pytest.mark.parametrize(("events", "ended"), [("max 5\noom_kill 0\n", False), ("max 5\noom_kill 2\n", True)])
def test_exceeded_memory_is_known_from_the_events(tmp_path: Path, events: str, ended: bool) -> None:
    (tmp_path / "memory.events").write_text(events)
    assert Cgroup(tmp_path).ran_out_of_memory() is ended

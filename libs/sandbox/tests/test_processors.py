"""The processors of a sandbox, while it leaves some of them to others and afterwards."""

import asyncio
import errno
import json
import os
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from runtime.testing import background
from sandbox import LAUNCHER, Program, Resources, Sandbox, SandboxedProcess
from sandbox.bwrap_args import PYTHON

from libs.sandbox.tests.running import output_of, started

ALL = sorted(os.sched_getaffinity(0))
FEWER = ALL[max(1, (len(ALL) + 2) // 4) :]
# Threads and processes start and end all the time, those of processes that have ended meanwhile, too.
REPORT = """
import glob, json, os, signal, subprocess, threading, time
def start_threads():
    while True:
        threading.Thread(target=time.sleep, args=(0.05,)).start()
        time.sleep(0.01)
threading.Thread(target=start_threads).start()
subprocess.Popen(["/bin/sh", "-c", "next() { sleep 0.01; (next &) ; }; next"])
while True:
    found = set()
    for path in glob.glob("/proc/[0-9]*/task/*"):
        try:
            if path == "/proc/1/task/1":  # the launcher
                continue
            found.add(tuple(sorted(os.sched_getaffinity(int(os.path.basename(path))))))
        except ProcessLookupError:
            pass
    print(json.dumps(sorted(found)), flush=True)
"""
IDLE = "import time; print(flush=True); time.sleep(600)"
CHOOSE = """
import os
for process in 0, 1:
    try:
        os.sched_setaffinity(process, os.sched_getaffinity(process))
        print("chosen")
    except PermissionError:
        print("denied")
"""

PROGRAM = 2

several = pytest.mark.skipif(not FEWER, reason="this machine has one processor, which all have to use")


def python(code: str, *, yields: bool = False) -> Program:
    return Program(command=(str(PYTHON), "-c", code), resources=Resources(yields=yields))


async def reported(process: Process, processors: list[int]) -> bool:
    """Wait until all threads of a sandbox use these processors."""
    assert process.stdout
    while line := await process.stdout.readline():
        if json.loads(line) == [processors]:
            return True
    return False


def heartbeats(sandboxed: SandboxedProcess, *, yields: bool = False) -> AbstractAsyncContextManager[object]:
    """Send heartbeats, as a service does: after the first one, a sandbox without them is ended."""

    async def send() -> None:
        while True:
            sandboxed.send_heartbeat(yields=yields)
            await asyncio.sleep(1)

    return background(send())


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


@several
async def test_all_threads_leave_processors_to_others_until_a_heartbeat_lifts_it(sandbox: Sandbox) -> None:
    async with started(sandbox, python(REPORT)) as (sandboxed, process):
        assert await reported(process, ALL)
        for yields in (True, False, True):
            async with heartbeats(sandboxed, yields=yields):
                assert await reported(process, FEWER if yields else ALL)


@several
async def test_a_program_that_yields_starts_on_fewer_processors(sandbox: Sandbox) -> None:
    async with started(sandbox, python(REPORT, yields=True)) as (sandboxed, process):
        assert process.stdout
        assert json.loads(await process.stdout.readline()) == [FEWER]
        async with heartbeats(sandboxed):
            assert await reported(process, ALL)


@several
async def test_what_ends_the_children_of_a_program_leaves_it_on_its_processors(sandbox: Sandbox) -> None:
    async with started(sandbox, python(IDLE, yields=True)) as (sandboxed, process):
        await sandboxed.wait_started()
        assert process.stdout
        await process.stdout.readline()
        assert (await sandboxed.end_children()).processes == 0
        launcher = json.loads(sandboxed.info.read_bytes())["child-pid"]
        assert [sorted(os.sched_getaffinity(pid)) for pid in (launcher, child_of(launcher))] == [ALL, FEWER]


@several
async def test_a_sandbox_follows_a_change_of_the_processors_of_the_launcher(sandbox: Sandbox) -> None:
    async with started(sandbox, python(REPORT, yields=True)) as (sandboxed, process):
        await sandboxed.wait_started()
        assert await reported(process, FEWER)
        launcher = json.loads(sandboxed.info.read_bytes())["child-pid"]
        for processors in ([ALL[0]], ALL):
            os.sched_setaffinity(launcher, processors)
            async with heartbeats(sandboxed):
                assert await reported(process, processors)


async def test_a_program_cannot_choose_its_processors(sandbox: Sandbox) -> None:
    assert await output_of(sandbox, python(CHOOSE)) == "denied\ndenied"


def of_launcher(name: str) -> Any:
    """Load a module of the launcher, which is a program of its own."""
    loader = SourceFileLoader(name, str(LAUNCHER / f"{name}.py"))
    spec = spec_from_loader(name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


class Machine:
    """The processors of the threads of a sandbox, the last of which starts an unseen one whenever they are listed.

    The launcher has all processors, and its child becomes the program.
    """

    def __init__(self, number: int) -> None:
        self.processors, self.threads = set(range(number)), dict[int, set[int]]()
        self.passes = 0
        self.threads[PROGRAM] = self.processors
        self.unseen: Iterator[int] = iter(())

    def listdir(self, folder: str) -> list[str]:
        if folder == "/proc":
            self.passes += 1
            return ["self", "1", str(PROGRAM)]
        if folder == "/proc/1/task":
            return ["1"]
        listed = [str(thread) for thread in self.threads]
        for thread in self.unseen:
            self.threads[thread] = self.threads[max(self.threads)]
            break
        return listed

    def getaffinity(self, thread: int) -> set[int]:
        return self.threads[thread] & self.processors if thread else self.processors

    def setaffinity(self, thread: int, processors: set[int]) -> None:
        if not processors & self.processors:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self.threads[thread or PROGRAM] = processors & self.processors


@pytest.fixture
def on_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Machine, Any]]:
    def prepare(number: int, *, yields: bool = False) -> tuple[Machine, Any]:
        machine, module = Machine(number), of_launcher("processors")
        kernel = SimpleNamespace(
            listdir=machine.listdir,
            sched_getaffinity=machine.getaffinity,
            sched_setaffinity=machine.setaffinity,
        )
        monkeypatch.setattr(module, "os", kernel)
        return machine, module.Processors(yields=yields)

    return prepare


@pytest.mark.parametrize(("number", "free"), [(1, 0), (2, 1), (3, 1), (4, 1), (6, 2), (8, 2), (64, 16)])
def test_a_quarter_of_the_processors_is_free(
    on_machine: Callable[..., tuple[Machine, Any]], number: int, free: int
) -> None:
    machine, processors = on_machine(number)
    processors.use(yields=True)
    assert machine.threads[PROGRAM] == set(range(free, number))


def test_threads_that_start_during_a_pass_are_found_by_the_next(
    on_machine: Callable[..., tuple[Machine, Any]],
) -> None:
    machine, processors = on_machine(2)
    machine.unseen = iter([3])
    processors.use(yields=True)
    assert machine.threads == {PROGRAM: {1}, 3: {1}}


@pytest.mark.parametrize("yields", [True, False])
def test_what_was_missed_is_found_with_the_next_heartbeat(
    on_machine: Callable[..., tuple[Machine, Any]], yields: bool
) -> None:
    machine, processors = on_machine(2)
    wanted = {1} if yields else {0, 1}
    processors.use(yields=not yields)
    machine.unseen = iter(range(3, 1000))
    processors.use(yields=yields)
    missed, machine.unseen = max(machine.threads), iter(())
    assert machine.threads[missed] != wanted
    processors.use(yields=yields)
    assert machine.threads[missed] == wanted


def test_processors_that_the_machine_has_lost_are_not_waited_for(
    on_machine: Callable[..., tuple[Machine, Any]],
) -> None:
    machine, processors = on_machine(4)
    processors.use(yields=True)
    machine.processors, machine.threads[PROGRAM], machine.passes = {0, 1, 2}, {1, 2}, 0
    for yields in (True, False, False):
        processors.use(yields=yields)
    assert (machine.threads[PROGRAM], machine.passes) == ({0, 1, 2}, 3)


@pytest.mark.parametrize("yields", [True, False])
def test_processors_that_are_added_later_are_used(on_machine: Callable[..., tuple[Machine, Any]], yields: bool) -> None:
    machine, processors = on_machine(2)
    for before in (True, yields):
        processors.use(yields=before)
    machine.processors = {0, 1, 2, 3}
    processors.use(yields=yields)
    assert machine.threads[PROGRAM] == ({1, 2, 3} if yields else {0, 1, 2, 3})


def test_a_sandbox_that_uses_all_processors_is_not_searched_again(
    on_machine: Callable[..., tuple[Machine, Any]],
) -> None:
    machine, processors = on_machine(2)
    for _ in range(3):
        processors.use(yields=False)
    assert machine.passes == 0


def test_a_program_begins_although_its_processors_are_lost_meanwhile(
    on_machine: Callable[..., tuple[Machine, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, processors = on_machine(4, yields=True)

    def lose(thread: int) -> set[int]:
        before = machine.getaffinity(thread)
        machine.processors = {0}
        return before

    monkeypatch.setattr(processors.begin.__globals__["os"], "sched_getaffinity", lose)
    processors.begin()
    assert machine.getaffinity(PROGRAM) == {0}

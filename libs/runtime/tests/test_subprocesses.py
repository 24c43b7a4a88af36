"""A program has ended, and its pipes are closed, when its context is left, however often that is cancelled."""

import asyncio
import errno
import gc
import itertools
import os
import signal
import sys
import types
import warnings
from asyncio.subprocess import PIPE
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
from runtime.children.process import ChildProcess
from runtime.children.program import Limits
from runtime.event_loop import EventLoop
from runtime.process_descriptors import has_process_descriptors
from runtime.subprocesses import running

pytestmark = pytest.mark.usefixtures("servers")

type Run = Callable[[Coroutine[Any, Any, bool]], bool]

CHILD = Path(__file__).with_name("answering_child.py")
SLEEP = ("sleep", "60")


async def run_child() -> None:
    async with ChildProcess.start(CHILD, Limits(wall_seconds=60)) as child:
        await child.ask(b'["echo", 1]\n')


async def run_program() -> None:
    async with running(*SLEEP, stdout=asyncio.subprocess.PIPE):
        pass


@types.coroutine
def cancelled_at(number: int, times: int, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, bool]:
    """Run `work`; cancel it at the await with this number and at the following ones; return whether it got so far."""
    error: BaseException | None = None
    for count in itertools.count():
        try:
            waiting_for = work.throw(error) if error else work.send(None)
        except (StopIteration, asyncio.CancelledError):
            return count > number
        if number <= count < number + times and (task := asyncio.current_task()):
            task.cancel()
        error = None
        try:
            yield waiting_for
        except BaseException as raised:  # noqa: BLE001  also a cancellation
            error = raised
    raise AssertionError


async def cancelled(number: int, times: int, work: Coroutine[Any, Any, None]) -> bool:
    return await cancelled_at(number, times, work)


def children() -> set[str]:
    return set(Path("/proc/thread-self/children").read_text().split())


async def abandon(steps: int) -> bool:
    """Return while a program is being ended, which is cancelled when the loop is closed."""
    started = asyncio.Event()

    async def run_briefly() -> None:
        async with running(*SLEEP, stdout=asyncio.subprocess.PIPE):
            started.set()

    task = asyncio.get_running_loop().create_task(run_briefly())
    await started.wait()
    for _ in range(steps):
        await asyncio.sleep(0)
    return not task.done() and steps < 10


@contextmanager
def cheap_collections() -> Generator[None]:
    """Leave out of garbage collections what exists already: the process of all tests has millions of objects."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def check_closed(run: Run, cancelling: Callable[[int], Coroutine[Any, Any, bool]]) -> None:
    """Run a coroutine that cancels at 0, 1, 2, … until it returns False; check that nothing is left each time."""
    before = children()
    with cheap_collections(), warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always", ResourceWarning)
        for number in itertools.count():
            reached = run(cancelling(number))
            gc.collect()
            assert (number, [str(warning.message) for warning in unclosed], children() - before) == (number, [], set())
            if not reached:
                break


run_as_service = partial(asyncio.run, loop_factory=EventLoop)
either_loop = pytest.mark.parametrize("run", [asyncio.run, run_as_service])


@either_loop
@pytest.mark.parametrize("times", [1, 2, sys.maxsize])
def test_no_cancellation_leaves_a_program_or_its_pipes(run: Run, times: int) -> None:
    check_closed(run, lambda number: cancelled(number, times, run_program()))


@pytest.mark.parametrize(
    ("run", "times"),
    [
        (run_as_service, 1),
        (run_as_service, sys.maxsize),
        pytest.param(run_as_service, 2, marks=pytest.mark.long),
        *(pytest.param(asyncio.run, times, marks=pytest.mark.long) for times in (1, 2, sys.maxsize)),
    ],
)
def test_no_cancellation_leaves_a_child_or_its_pipes(run: Run, times: int) -> None:
    check_closed(run, lambda number: cancelled(number, times, run_child()))


@either_loop
def test_closing_the_loop_leaves_no_program_that_is_ending(run: Run) -> None:
    check_closed(run, abandon)


@either_loop
def test_a_program_that_cannot_be_started_raises_its_error(run: Run) -> None:
    async def start() -> bool:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/nowhere")
        return True

    assert run(start())


@either_loop
def test_the_result_of_a_program_is_known(run: Run) -> None:
    async def result() -> bool:
        command = ("/bin/sh", "-c", "cat; exit 3")
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        return await process.communicate(b"hello") == (b"hello", b"") and await process.wait() == 3

    assert run(result())


def block_until_ended(pid: int) -> None:
    """Keep the loop busy until a child has ended, and so is a zombie."""
    with suppress(FileNotFoundError):  # its result has been read already
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            pass


def test_the_end_of_a_program_is_noticed_while_another_has_its_pipes() -> None:
    async def ended_first() -> bool:
        command = ("/bin/sh", "-c", "sleep 60 & echo $!; read line")
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        stdin, stdout = cast(asyncio.StreamWriter, process.stdin), cast(asyncio.StreamReader, process.stdout)
        child = int(await stdout.readline())
        asyncio.get_running_loop().call_later(0.1, stdin.write, b"\n")
        result = await asyncio.wait_for(process.wait(), 60)
        with pytest.raises(ProcessLookupError):
            process.kill()  # its id may belong to another one
        os.kill(child, signal.SIGKILL)
        return await stdout.read() == b"" and result == 0

    assert run_as_service(ended_first())


@pytest.fixture
def kernel_without_process_descriptors(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    monkeypatch.setattr(os, "pidfd_open", Mock(side_effect=OSError(errno.ENOSYS, "Function not implemented")))
    has_process_descriptors.cache_clear()
    yield
    has_process_descriptors.cache_clear()


@pytest.mark.usefixtures("kernel_without_process_descriptors")
def test_programs_run_where_the_kernel_has_no_descriptors_of_them() -> None:
    async def result() -> bool:
        process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "echo hello; exit 3", stdout=PIPE)
        return await process.communicate() == (b"hello\n", None) and await process.wait() == 3

    assert run_as_service(result())


def test_a_program_that_cannot_be_watched_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pidfd_open", Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
    with pytest.raises(OSError, match="Too many open files"):
        run_as_service(asyncio.create_subprocess_exec("/bin/sleep", "60"))


def test_the_end_of_a_program_is_noticed_after_its_transport_was_closed() -> None:
    class Ends(asyncio.SubprocessProtocol):
        def __init__(self) -> None:
            self.ended = asyncio.Event()

        def process_exited(self) -> None:
            self.ended.set()

    async def close_late() -> bool:
        transport, protocol = await asyncio.get_running_loop().subprocess_exec(Ends, "/bin/true")
        block_until_ended(transport.get_pid())
        transport.close()
        await asyncio.wait_for(protocol.ended.wait(), 60)
        return transport.get_returncode() == 0

    assert run_as_service(close_late())

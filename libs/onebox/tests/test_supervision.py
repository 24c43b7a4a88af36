from collections.abc import Callable, Generator

import pytest
from onebox.children import Child, Program
from onebox.errors import CannotStart
from onebox.folder import DataFolder
from onebox.supervision import MAX_EXITS, WINDOW_SECONDS, Supervisor
from onebox.testing.system import until
from runtime.testing import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def fail(folder: DataFolder, clock: Clock, messages: list[str]) -> Generator[Callable[[float], Child]]:
    """Yield a function that lets a supervised child exit again, `seconds` later."""
    child = Child(Program("failing", ["sh", "-c", "echo failing; exit 3"]), folder)
    supervisor = Supervisor(messages.append, clock)
    supervisor.watch(child)
    child.start()

    def fail_after(seconds: float) -> Child:
        until(lambda: not child.running())
        supervisor.check()
        clock.now += seconds
        supervisor.check()
        return child

    yield fail_after
    child.finish()


def test_a_child_that_exited_is_restarted(fail: Callable[[float], Child]) -> None:
    child = fail(1)
    until(lambda: child.log.read_text() == "failing\nfailing\n")


def test_a_child_is_not_restarted_immediately(fail: Callable[[float], Child]) -> None:
    assert not fail(0).running()


def test_an_exit_is_reported_with_its_code_and_the_log(fail: Callable[[float], Child], messages: list[str]) -> None:
    child = fail(0)
    assert messages == [f"failing exited (exit code 3) and is being restarted. Log: {child.log}"]


def test_a_child_that_keeps_exiting_raises_with_the_end_of_its_log(fail: Callable[[float], Child]) -> None:
    for _ in range(MAX_EXITS):
        fail(5)
    with pytest.raises(
        CannotStart, match=r"failing exited 6 times within a minute \(exit code 3\)[^$]*failing.log:\n.*failing"
    ):
        fail(5)


def test_exits_outside_the_window_do_not_count(fail: Callable[[float], Child]) -> None:
    for _ in range(MAX_EXITS + 1):
        fail(WINDOW_SECONDS)


def test_a_child_with_invalid_settings_is_not_restarted(folder: DataFolder, messages: list[str]) -> None:
    child = Child(Program("picky", ["sh", "-c", "echo MODEL_API_KEY: is wrong; exit 2"]), folder)
    supervisor = Supervisor(messages.append)
    supervisor.watch(child)
    child.start()
    until(lambda: not child.running())
    with pytest.raises(CannotStart, match=r"picky rejected its settings[^$]*MODEL_API_KEY: is wrong"):
        supervisor.check()


@pytest.fixture
def unavailable(folder: DataFolder) -> Generator[Child]:
    """Yield a child that has exited because a dependency is unavailable."""
    child = Child(Program("waiting", ["sh", "-c", "echo '{}'; echo waiting cannot start: no bus.; exit 69"]), folder)
    child.start()
    until(lambda: not child.running())
    yield child
    child.finish()


def test_during_startup_a_child_that_cannot_start_raises_its_message(unavailable: Child, messages: list[str]) -> None:
    supervisor = Supervisor(messages.append)
    supervisor.watch(unavailable)
    with pytest.raises(CannotStart, match=r"^waiting cannot start: no bus\.$"):
        supervisor.check()


def test_after_startup_a_child_that_cannot_start_is_restarted(unavailable: Child, messages: list[str]) -> None:
    supervisor = Supervisor(messages.append)
    supervisor.watch(unavailable)
    supervisor.started = True
    supervisor.check()
    for _ in range(MAX_EXITS + 1):
        until(lambda: not supervisor.check() and unavailable.running())
        until(lambda: not unavailable.running())
    assert messages[:1] == ["waiting cannot start: no bus. Restarting it (exit code 69)."]

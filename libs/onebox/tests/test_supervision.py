from collections.abc import Callable, Generator

import pytest
from onebox.children import Child, Program
from onebox.folder import DataFolder
from onebox.supervision import MAX_DEATHS, WINDOW, Supervisor
from onebox.testing.system import until
from onebox.trouble import CannotStart


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def die(folder: DataFolder, clock: Clock, said: list[str]) -> Generator[Callable[[float], Child]]:
    """Let a supervised child die once more, `seconds` later."""
    child = Child(Program("mortal", ["sh", "-c", "echo dying; exit 3"]), folder)
    supervisor = Supervisor(said.append, clock)
    supervisor.watch(child)
    child.start()

    def again(seconds: float) -> Child:
        until(lambda: not child.running())
        supervisor.check()
        clock.now += seconds
        supervisor.check()
        return child

    yield again
    child.finish()


def test_a_dead_child_is_started_again(die: Callable[[float], Child]) -> None:
    child = die(1)
    until(lambda: child.log.read_text() == "dying\ndying\n")


def test_a_dead_child_is_not_started_again_at_once(die: Callable[[float], Child]) -> None:
    assert not die(0).running()


def test_the_person_is_told_who_died_how_and_where_its_log_is(die: Callable[[float], Child], said: list[str]) -> None:
    child = die(0)
    assert said == [f"mortal ended (exit code 3); it is started again. Its log: {child.log}"]


def test_a_child_that_keeps_dying_is_given_up_with_the_end_of_its_log(die: Callable[[float], Child]) -> None:
    for _ in range(MAX_DEATHS):
        die(5)
    with pytest.raises(
        CannotStart, match=r"mortal ended 6 times within a minute \(exit code 3\)[^$]*mortal.log:\n.*dying"
    ):
        die(5)


def test_deaths_far_apart_are_forgiven(die: Callable[[float], Child]) -> None:
    for _ in range(MAX_DEATHS + 1):
        die(WINDOW)


def test_wrong_settings_are_not_tried_again(folder: DataFolder, said: list[str]) -> None:
    child = Child(Program("picky", ["sh", "-c", "echo MODEL_API_KEY: is wrong; exit 2"]), folder)
    supervisor = Supervisor(said.append)
    supervisor.watch(child)
    child.start()
    until(lambda: not child.running())
    with pytest.raises(CannotStart, match=r"picky cannot work with its settings[^$]*MODEL_API_KEY: is wrong"):
        supervisor.check()


@pytest.fixture
def lacking(folder: DataFolder) -> Generator[Child]:
    """A child that has ended since it cannot start without something."""
    child = Child(Program("lacking", ["sh", "-c", "echo '{}'; echo lacking cannot start: no bus; exit 69"]), folder)
    child.start()
    until(lambda: not child.running())
    yield child
    child.finish()


def test_what_a_child_lacks_ends_the_start_with_its_line_alone(lacking: Child, said: list[str]) -> None:
    supervisor = Supervisor(said.append)
    supervisor.watch(lacking)
    with pytest.raises(CannotStart, match=r"^lacking cannot start: no bus$"):
        supervisor.check()


def test_what_a_child_lacks_later_is_waited_for_however_long(lacking: Child, said: list[str]) -> None:
    supervisor = Supervisor(said.append)
    supervisor.watch(lacking)
    supervisor.started = True
    supervisor.check()
    for _ in range(MAX_DEATHS + 1):
        until(lambda: not supervisor.check() and lacking.running())
        until(lambda: not lacking.running())
    assert said[:1] == ["lacking cannot start: no bus (exit code 69) It is started again."]

from pathlib import Path

import pytest

from libs.onebox.tests.nested import run_pytest

pytestmark = pytest.mark.usefixtures("servers")

FIXTURES = """
import os, pytest

def note(what):
    with open("events", "a") as events:
        events.write(f"{os.getpid()} {what}\\n")

@pytest.fixture(scope="session")
def one_system():
    note("started one")
    yield
    note("stopped one")

@pytest.fixture(scope="module")
def user(one_system):
    yield
    note("deleted user")

"""
TESTS = """
from conftest import note

def test_first(user): pass
def test_without(): note("ran without")
def test_second(one_system): pass
"""
OTHERS = """
from conftest import note

def test_third(one_system): note("ran third")
"""


def events(tmp_path: Path, *options: str) -> list[list[str]]:
    """Run the tests above, and return process and event of each line that they wrote."""
    (tmp_path / "conftest.py").write_text(FIXTURES)
    (tmp_path / "test_systems.py").write_text(TESTS)
    (tmp_path / "test_others.py").write_text(OTHERS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --dist loadgroup --no-loadscope-reorder")
    plugins = [f"-ponebox.testing.{name}" for name in ("collecting", "distribution")]
    ran = run_pytest(tmp_path, "-p", "xdist", *plugins, "-m", "not server", *options)
    assert "4 passed" in ran.stdout, ran.stdout
    return [line.split(" ", 1) for line in (tmp_path / "events").read_text().splitlines()]


def test_a_system_is_stopped_after_the_last_test_that_uses_it(tmp_path: Path) -> None:
    found = [event for _, event in events(tmp_path, "-n", "0")]
    assert found == ["started one", "ran third", "deleted user", "stopped one", "ran without"]


def test_tests_of_one_system_run_in_one_process(tmp_path: Path) -> None:
    found = events(tmp_path, "-n", "2")
    assert len({process for process, event in found if event != "ran without"}) == 1
    assert sorted(event for _, event in found).count("started one") == 1

"""Workers are forked from a process that has collected the tests."""

import sys
from pathlib import Path

import pytest

from libs.onebox.tests.nested import run_pytest

pytestmark = [
    pytest.mark.usefixtures("servers"),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker collects"),
]

LONG = pytest.mark.long
TESTS = """
import os
COLLECTED = os.getpid()

def test_where(worker_id, tmp_path):
    with open("events", "a") as events:
        events.write(f"{COLLECTED} {os.getpid()} {worker_id} {tmp_path.parent.name}\\n")
"""


def run(tmp_path: Path, text: str) -> tuple[int, str]:
    """Run a test with this text in each of two modules by two workers; return the exit code and the output."""
    for name in ("test_one", "test_other"):
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ran = run_pytest(tmp_path, "-p", "xdist", "-p", "onebox.testing.collecting", "-n", "2", "-m", "not server")
    return ran.returncode, ran.stdout + ran.stderr


def test_workers_are_forked_from_a_process_that_has_collected(tmp_path: Path) -> None:
    code, output = run(tmp_path, TESTS)
    assert (code, "2 passed" in output) == (0, True)
    lines = [line.split() for line in (tmp_path / "events").read_text().splitlines()]
    collected, workers, names, folders = map(set, zip(*lines, strict=True))
    assert (len(collected), collected & workers, names) == (1, set(), {"gw0", "gw1"})
    assert folders == {f"popen-{name}" for name in names}


@pytest.mark.long
def test_what_cannot_be_collected_is_reported(tmp_path: Path) -> None:
    code, output = run(tmp_path, "import nothing_there")
    assert (code, output.count("No module named 'nothing_there'")) == (1, 2)
    assert "Workers collect the tests by themselves: the process to fork has ended with exit code 2." in output


FIXTURE = """
import os
import pytest

@pytest.fixture
def fixture():
    {setup}
    yield
    {teardown}

def test_it(fixture):
    {call}
"""


@pytest.mark.parametrize(
    ("phase", "line", "outcome", "reason"),
    [
        ("setup", "assert 1 > 2", "2 errors", "ERROR at setup of test_it"),
        pytest.param("teardown", "assert 1 > 2", "2 passed, 2 errors", "ERROR at teardown of test_it", marks=LONG),
        pytest.param("call", "assert 1 > 2", "2 failed", "assert 1 > 2", marks=LONG),
        pytest.param("call", "os._exit(1)", "2 failed", "crashed while running", marks=LONG),
    ],
)
def test_a_test_that_fails_or_ends_its_worker_is_reported(
    tmp_path: Path, phase: str, line: str, outcome: str, reason: str
) -> None:
    lines = {"setup": "pass", "teardown": "pass", "call": "pass"} | {phase: line}
    code, output = run(tmp_path, FIXTURE.format(**lines))
    assert (code, outcome in output, reason in output) == (1, True, True)

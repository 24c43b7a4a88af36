"""Programs that are forked from a process which has loaded their code, instead of started."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from onebox.forking import Forked
from onebox.testing.system import has_ended, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere programs are started")
PARENT = Path(__file__).with_name("forking_parent.py")


def run(data: Path, what: str) -> tuple[str, str]:
    """Return what the parent printed, and the log of the program that it forked."""
    environment = {**os.environ, "PYTHONPATH": str(PARENT.parent), "MODEL_API_KEY": "secret"}  # noqa: TID251  to inherit
    command = [sys.executable, "-P", PARENT, data, what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603  no shell
    return done.stdout, (data / "logs" / "forked.log").read_text()


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a forked program sees of how it was started."""
    return json.loads(run(tmp_path_factory.mktemp("observed"), "observed")[1])


def test_a_forked_program_inherits_only_allowed_variables(observed: dict[str, Any]) -> None:
    assert "MODEL_API_KEY" not in observed["environment"]
    assert {"OUTCOME", "PATH"} <= {*observed["environment"]}
    assert observed["shown environment"] == ""


def test_a_forked_program_has_a_name_and_no_arguments(observed: dict[str, Any]) -> None:
    assert (observed["name"], observed["command line"], len(observed["arguments"])) == ("forked", "forked", 1)


def test_a_forked_program_reads_nothing_and_holds_the_lock(observed: dict[str, Any]) -> None:
    names = [Path(path).name for path in observed["open"]]
    assert sorted(names) == ["forked.log", "forked.log", "launcher.pid", "null"]
    assert observed["input"] == ""


def test_a_forked_program_has_a_session_and_signals_of_its_own(observed: dict[str, Any]) -> None:
    assert (observed["leads its session"], observed["folder"]) == (True, "/")
    assert (observed["ignores SIGTERM"], observed["blocked"]) == (False, [])


@pytest.mark.parametrize(
    ("outcome", "code", "logged"),
    [("status", 3, ""), ("message", 1, "cannot do it\n"), ("exception", 1, "LookupError: nothing there\n")],
)
def test_a_forked_program_ends_like_a_started_one(tmp_path: Path, outcome: str, code: int, logged: str) -> None:
    printed, log = run(tmp_path, outcome)
    assert printed == f"{code}\n"
    assert log.endswith(logged)


def test_a_forked_program_can_be_stopped_at_once_and_forked_again(tmp_path: Path) -> None:
    assert run(tmp_path, "stopped")[0] == f"{-signal.SIGTERM} False\n" * 2


def test_a_forked_program_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PARENT.parent)}  # noqa: TID251  to inherit
    command = [sys.executable, "-P", PARENT, tmp_path, "killed"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603  no shell
        child = int((parent.stdout or sys.stdin).readline())
        parent.send_signal(signal.SIGKILL)
    until(lambda: has_ended(child))


def test_a_program_whose_end_the_kernel_has_forgotten_counts_as_ended() -> None:
    assert Forked(os.getppid()).poll() == 0  # no child of this process, as those of one that ignores SIGCHLD

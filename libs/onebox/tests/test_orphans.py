"""A test run that is killed leaves no process behind."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from onebox.testing import orphans
from onebox.testing.system import has_ended, until

from libs.onebox.tests.nested import pytest_command, pytest_environment

BOX = Path(__file__).with_name("box.py")
TESTS = f"""
import subprocess, sys, time
from pathlib import Path
from onebox.testing.system import System

def test_that_uses_everything(postgres, nats_url):
    with System(command=[sys.executable, {str(BOX)!r}]) as system:
        system.start()
        subprocess.Popen(["sleep", "600"])
        Path("begun").touch()
        time.sleep(600)
"""
EVERYTHING = {BOX.with_name("standin.py").name, "postgres", "nats-server", "sleep"}


def children() -> dict[int, list[int]]:
    """Return the ids of all processes of the machine by that of their parent."""
    found: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            found.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    return found


def below(pid: int, of: dict[int, list[int]]) -> Iterator[int]:
    for child in of.get(pid, ()):
        yield child
        yield from below(child, of)


def command_line(pid: int) -> str:
    """Return the command line of a process; it is empty if the process has ended meanwhile."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


@pytest.mark.usefixtures("servers")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its parent dies")
def test_all_processes_of_a_killed_test_run_end(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    command = pytest_command("-p", "xdist", "-p", "onebox.testing", "-p", "onebox.testing.orphans", "-n", "1")
    environment = pytest_environment(servers=True)
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as run:  # noqa: S603  no shell
        until((tmp_path / "begun").exists)
        started = [*below(run.pid, children())]
        commands = " ".join(map(command_line, started))
        run.send_signal(signal.SIGKILL)
    assert [name for name in EVERYTHING if name not in commands] == []
    until(lambda: all(map(has_ended, started)))


@pytest.mark.parametrize(
    ("text", "mode", "error"),
    [
        ("#!/bin/sh\n", 0o600, PermissionError),
        ("#!/nowhere/sh\n", 0o700, FileNotFoundError),
        ("echo no interpreter\n", 0o700, OSError),
    ],
)
def test_a_program_that_cannot_be_started_is_reported(
    tmp_path: Path, text: str, mode: int, error: type[OSError]
) -> None:
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(mode)
    with pytest.raises(error):
        subprocess.run([program], check=False)  # noqa: S603  no shell


@pytest.mark.parametrize(
    ("text", "is_used"), [('shift 3; exec "$@"', True), ("exit 1", False), (None, False)],
    ids=["there", "of BusyBox", "missing"],
)  # fmt: skip
def test_setpriv_starts_programs_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, is_used: bool
) -> None:
    started, execute = list[tuple[str, bool]](), orphans._execute  # pyright: ignore[reportPrivateUsage]

    def record(process: Any, command: Any, executable: Any, preexec: Any, *rest: Any) -> None:
        started.append((command[0], preexec is not None))
        execute(process, command, executable, preexec, *rest)

    setpriv = tmp_path / "setpriv"
    if text:
        setpriv.write_text(f"#!/bin/sh\n{text}\n")
        setpriv.chmod(0o700)
    (tmp_path / "true").symlink_to(str(shutil.which("true")))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(orphans, "_execute", record)
    monkeypatch.setattr(orphans, "_setpriv", orphans._setpriv.__wrapped__)  # pyright: ignore[reportPrivateUsage]
    subprocess.run(["true"], check=True)  # noqa: S607  the name is the case
    assert started == [(str(setpriv), False) if is_used else ("true", True)]

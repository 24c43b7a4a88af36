"""Programs that tests start are forked from a process that has loaded their code."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from onebox.testing.preloading import Preloaded
from onebox.testing.system import has_ended, until

pytestmark = [
    pytest.mark.usefixtures("servers"),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere programs are started"),
]
GATEWAY = [sys.executable, "-P", "-m", "gateway"]


@pytest.fixture(scope="module")
def refused() -> "subprocess.CompletedProcess[str]":
    """The gateway without the settings that it needs."""
    return subprocess.run(GATEWAY, env={"PORT": "many"}, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.fixture
def preloaded(monkeypatch: pytest.MonkeyPatch) -> Generator[Preloaded]:
    """A process without the code of services, which starts at once."""
    monkeypatch.setattr("onebox.testing.preloading.SERVICES_OF_A_SYSTEM", ())
    process = Preloaded()
    yield process
    process.end()


def start(preloaded: Preloaded, *program: str, **environment: str) -> tuple[int, str]:
    """Run a module, and return its status and what it has written."""
    reader, writer = os.pipe()
    request = {"program": program, "folder": "/", "environment": environment, "new_session": True}
    pid = preloaded.start(request, [0, writer, writer])
    os.close(writer)
    with open(reader) as output:  # noqa: PTH123  a descriptor
        text = output.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


def test_a_program_ends_with_its_status_and_output(refused: "subprocess.CompletedProcess[str]") -> None:
    assert (refused.returncode, "PORT:" in refused.stdout + refused.stderr) == (2, True)


def test_a_program_has_the_given_environment(preloaded: Preloaded) -> None:
    status, output = start(preloaded, "onebox", PORT="many")
    assert (status, "PORT" in output) == (2, True)


def test_a_program_is_killed_as_a_child_of_the_test(nats_url: str) -> None:
    with subprocess.Popen(["sleep", "600"]) as other, subprocess.Popen(GATEWAY, env={"NATS_URL": nats_url}) as program:  # noqa: S603, S607
        program.kill()
        other.kill()
    assert (program.returncode, other.returncode) == (-signal.SIGKILL, -signal.SIGKILL)
    assert has_ended(program.pid)


def test_a_program_of_a_service_is_forked() -> None:
    with subprocess.Popen(GATEWAY, env={}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:  # noqa: S603
        command = Path(f"/proc/{program.pid}/cmdline").read_bytes()
        program.kill()
    assert b"-m" not in command.split(b"\0")


def test_other_programs_are_started(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import sys; sys.exit('gateway' in sys.modules)")
    assert subprocess.run([sys.executable, str(tmp_path / "one.py")], check=False).returncode == 0  # noqa: S603


def test_a_program_with_variables_of_python_is_started() -> None:
    started = [sys.executable, "-P", "-m", "gateway"]
    with subprocess.Popen(started, env={"PYTHONNODEBUGRANGES": "1"}, stdout=subprocess.PIPE) as program:  # noqa: S603
        command = Path(f"/proc/{program.pid}/cmdline")
        until(lambda: command.read_bytes().split(b"\0")[1:4] == [b"-P", b"-m", b"gateway"])
        program.kill()

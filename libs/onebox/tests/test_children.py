import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from onebox.children import MAX_LOG_BYTES, Child, Program, allowed_environment
from onebox.folder import DataFolder
from onebox.supervision import Supervisor
from onebox.testing.system import has_ended, until

PARENT = """
import sys, time
from pathlib import Path
from onebox.children import Child, Program
from onebox.folder import DataFolder
child = Child(Program("sleeper", ["sleep", "60"]), DataFolder(Path(sys.argv[1])))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_child_inherits_no_secrets_and_no_agent_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR", "AWS_SECRET_ACCESS_KEY", "MODEL_API_KEY", "PYTHONPATH"):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in allowed_environment().values()


def test_a_child_inherits_paths_of_programs_and_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ours.pem")
    assert allowed_environment()["SSL_CERT_FILE"] == "/etc/ours.pem"
    assert "PATH" in allowed_environment()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its parent dies")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603  no shell
        child = int((parent.stdout or sys.stdin).readline())
        parent.send_signal(signal.SIGKILL)
    until(lambda: has_ended(child))


def test_a_child_writes_to_its_log(folder: DataFolder) -> None:
    child = Child(Program("speaker", ["sh", "-c", "echo out; echo err >&2"]), folder)
    child.start()
    child.finish()
    assert child.log.read_text() == "out\nerr\n"


def test_a_large_log_is_rotated_at_the_next_start(folder: DataFolder) -> None:
    child = Child(Program("speaker", ["true"]), folder)
    child.log.write_bytes(b"x" * (MAX_LOG_BYTES + 1))
    child.start()
    child.finish()
    assert child.log.read_bytes() == b""
    assert child.log.with_name("speaker.log.1").stat().st_size == MAX_LOG_BYTES


def test_a_large_log_is_rotated_while_its_program_runs(folder: DataFolder) -> None:
    child = Child(Program("writer", ["sh", "-c", f"head -c {MAX_LOG_BYTES} /dev/zero; echo a; read x; echo b"]), folder)
    supervisor = Supervisor(lambda _message: None)
    supervisor.watch(child)
    child.log.write_bytes(b"begun\n")
    child.start()
    until(lambda: child.log.stat().st_size > MAX_LOG_BYTES or not child.running())
    supervisor.check()
    until(lambda: not child.running())
    assert child.log.stat().st_size < MAX_LOG_BYTES
    assert child.log.with_name("writer.log.1").stat().st_size == MAX_LOG_BYTES
    child.finish()


def test_a_running_child_has_a_pid_file(folder: DataFolder) -> None:
    child = Child(Program("sleeper", ["sleep", "60"]), folder)
    child.start()
    assert (folder.run / "sleeper.pid").read_text() == str(child.pid)
    child.ask_to_stop()
    child.finish()
    assert not (folder.run / "sleeper.pid").exists()


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace_period(folder: DataFolder) -> None:
    stubborn = Child(
        Program("stubborn", ["sh", "-c", "trap '' TERM; echo; sleep 60 & wait; sleep 60"], grace=0.1), folder
    )
    stubborn.start()
    until(lambda: stubborn.log.read_text())
    stubborn.ask_to_stop()
    stubborn.finish()
    assert stubborn.exit_code == -signal.SIGKILL


def test_processes_started_by_a_child_end_with_it(folder: DataFolder) -> None:
    parent = Child(Program("parent", ["sh", "-c", "sleep 60 & echo $!; exit 0"]), folder)
    parent.start()
    parent.finish()
    until(lambda: has_ended(int(parent.log.read_text())))


def test_a_child_runs_in_its_own_process_session(folder: DataFolder) -> None:
    child = Child(Program("sleeper", ["sleep", "60"]), folder)
    child.start()
    assert os.getsid(child.pid or 0) == child.pid
    child.ask_to_stop()
    child.finish()

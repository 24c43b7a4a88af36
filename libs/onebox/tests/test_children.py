import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from onebox.children import LOG_LIMIT, Child, Program, allowed_environment
from onebox.folder import DataFolder
from onebox.supervision import Supervisor
from onebox.testing.system import gone, until

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


def test_a_child_learns_nothing_of_keys_and_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR", "AWS_SECRET_ACCESS_KEY", "MODEL_API_KEY", "PYTHONPATH"):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in allowed_environment().values()


def test_a_child_learns_where_programs_and_certificates_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ours.pem")
    assert allowed_environment()["SSL_CERT_FILE"] == "/etc/ours.pem"
    assert "PATH" in allowed_environment()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603  our own
        child = int((parent.stdout or sys.stdin).readline())
        parent.send_signal(signal.SIGKILL)
    until(lambda: gone(child))


def test_a_child_writes_to_its_log(folder: DataFolder) -> None:
    child = Child(Program("speaker", ["sh", "-c", "echo out; echo err >&2"]), folder)
    child.start()
    child.finish()
    assert child.log.read_text() == "out\nerr\n"


def test_a_log_that_grew_large_is_put_aside_at_the_next_start(folder: DataFolder) -> None:
    child = Child(Program("speaker", ["true"]), folder)
    child.log.write_bytes(b"x" * (LOG_LIMIT + 1))
    child.start()
    child.finish()
    assert child.log.read_bytes() == b""
    assert child.log.with_name("speaker.log.1").stat().st_size == LOG_LIMIT


def test_a_log_stays_small_while_its_program_writes_on(folder: DataFolder) -> None:
    child = Child(Program("talker", ["sh", "-c", f"head -c {LOG_LIMIT} /dev/zero; echo a; read x; echo b"]), folder)
    supervisor = Supervisor(lambda _said: None)
    supervisor.watch(child)
    child.log.write_bytes(b"begun\n")
    child.start()
    until(lambda: child.log.stat().st_size > LOG_LIMIT or not child.running())
    supervisor.check()
    until(lambda: not child.running())
    assert child.log.stat().st_size < LOG_LIMIT
    assert child.log.with_name("talker.log.1").stat().st_size == LOG_LIMIT
    child.finish()


def test_the_number_of_a_running_child_is_in_its_file(folder: DataFolder) -> None:
    child = Child(Program("sleeper", ["sleep", "60"]), folder)
    child.start()
    assert (folder.run / "sleeper.pid").read_text() == str(child.pid)
    child.ask_to_stop()
    child.finish()
    assert not (folder.run / "sleeper.pid").exists()


def test_a_child_that_ignores_the_gentle_signal_is_ended_after_its_grace(folder: DataFolder) -> None:
    deaf = Child(Program("deaf", ["sh", "-c", "trap '' TERM; echo; sleep 60 & wait; sleep 60"], grace=0.1), folder)
    deaf.start()
    until(lambda: deaf.log.read_text())
    deaf.ask_to_stop()
    deaf.finish()
    assert deaf.exit_code == -signal.SIGKILL


def test_what_a_child_started_ends_with_it(folder: DataFolder) -> None:
    parent = Child(Program("parent", ["sh", "-c", "sleep 60 & echo $!; exit 0"]), folder)
    parent.start()
    parent.finish()
    until(lambda: gone(int(parent.log.read_text())))


def test_a_child_runs_in_a_session_of_its_own(folder: DataFolder) -> None:
    child = Child(Program("sleeper", ["sleep", "60"]), folder)
    child.start()
    assert os.getsid(child.pid or 0) == child.pid
    child.ask_to_stop()
    child.finish()

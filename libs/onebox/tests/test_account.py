"""What root does before the system runs: as whom, on what, and what it sees of a home that is closed to others."""

import ctypes
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from onebox.account import acting_as, find_account, own
from onebox.folder import DataFolder
from onebox.testing.system import System
from onebox.trouble import CannotStart

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: an ordinary user is no other account's"),
    pytest.mark.usefixtures("servers"),
]
# Reaches the first argument as the account of the system, and then carries out the second.
ENTER = """
import sys
from pathlib import Path
from onebox.account import become, find_account, reach
from onebox.trouble import CannotStart
try:
    reach(find_account(), [Path(sys.argv[1])])
except CannotStart as trouble:
    sys.exit(str(trouble))
become(find_account())
exec(sys.argv[2])
"""
_PR_CAPBSET_DROP, _CAP_SYS_ADMIN = 24, 21
_libc = ctypes.CDLL(None)


@pytest.fixture
def home(open_folder: Path) -> Path:
    """A closed home with a project and a letter in it."""
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    (home / "letter").write_text("private")
    (home / "real").mkdir()
    (home / "project").symlink_to("real")
    (home / "real" / "code").write_text("code")
    return home


def enter(project: Path, code: str, before: Callable[[], object] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", ENTER, str(project), code]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=before)  # noqa: S603


def no_program(_name: str, path: str) -> None:
    """Find no program, wherever it is looked for."""
    assert path


def owners(folder: Path) -> set[str]:
    return {pwd.getpwuid(path.lstat().st_uid).pw_name for path in [folder, *folder.rglob("*")]}


def test_the_account_is_an_ordinary_one() -> None:
    assert find_account().pw_uid != 0


def test_without_a_way_to_make_an_account_it_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onebox.account.NAME", "no-such-account")
    monkeypatch.setattr("shutil.which", no_program)
    assert find_account().pw_name == "nobody"


def test_in_a_closed_home_the_account_reads_the_project_under_its_name(home: Path) -> None:
    path = home / "project" / "code"
    said = enter(home / "project", f"print(open({str(path)!r}).read())")
    assert (said.stdout, said.stderr) == ("code\n", "")


def test_in_a_closed_home_the_account_sees_nothing_else(home: Path) -> None:
    said = enter(home / "project", f"import os; print(sorted(os.listdir({str(home)!r})))")
    assert said.stdout == "['project', 'real']\n"


def test_what_the_account_writes_in_its_view_is_in_the_folder_itself(home: Path) -> None:
    account = find_account()
    os.chown(home / "real", account.pw_uid, account.pw_gid)
    enter(home / "project", f"open({str(home / 'project' / 'made')!r}, 'w').write('made')")
    assert (home / "real" / "made").read_text() == "made"


def test_no_permission_of_a_closed_home_is_changed(home: Path) -> None:
    enter(home / "project", "")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    with acting_as(find_account()), pytest.raises(PermissionError):
        (home / "real" / "code").read_text()


def test_there_is_no_way_back_to_root(home: Path) -> None:
    status = enter(home / "project", "print(open('/proc/self/status').read())").stdout
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(told["Uid"].split()) == {str(find_account().pw_uid)}
    assert (told["Groups"].strip(), int(told["CapPrm"], 16), told["NoNewPrivs"]) == ("", 0, "1")


def test_a_root_without_the_right_to_mount_is_told_what_to_do(home: Path) -> None:
    said = enter(home / "project", "", lambda: _libc.prctl(_PR_CAPBSET_DROP, _CAP_SYS_ADMIN, 0, 0, 0))
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert f"may not enter {home}, and this root may not" in said.stderr
    assert "Put the project and DATA_DIR where all accounts may enter" in said.stderr


def test_a_project_that_only_root_may_read_is_refused(home: Path) -> None:
    (home / "real").chmod(0o700)
    assert f"may not read {home}/project. Let it (`chmod -R go+rX` there)" in enter(home / "project", "").stderr


def test_data_that_an_earlier_release_made_as_root_become_the_accounts(open_folder: Path) -> None:
    data = DataFolder(open_folder / "data")
    (data.workspaces / "made").touch()
    (data.workspaces / "link").symlink_to("/etc/passwd")
    nobody = pwd.getpwnam("nobody")
    (data.path / "postgres").mkdir()
    os.chown(data.path / "postgres", nobody.pw_uid, nobody.pw_gid)
    data.path.chmod(0o711)
    data.close()
    own(data.path, find_account())
    assert owners(data.path) == {find_account().pw_name}
    assert Path("/etc/passwd").stat().st_uid == 0
    assert stat.S_IMODE(data.path.stat().st_mode) == 0o700


def test_a_setuid_bit_that_root_left_is_gone_with_its_owner(open_folder: Path) -> None:
    data = DataFolder(open_folder / "data")
    made = data.workspaces / "made"
    made.touch()
    made.chmod(0o4755)
    data.close()
    own(data.path, find_account())
    assert stat.S_IMODE(made.stat().st_mode) == 0o755


def test_a_folder_with_other_things_is_not_given_away(open_folder: Path) -> None:
    (open_folder / "letter").touch()
    with pytest.raises(CannotStart, match="holds other things than the data of this system"):
        own(open_folder, find_account())
    assert owners(open_folder) == {"root"}


def test_a_folder_in_which_another_service_keeps_its_database_is_left_alone(open_folder: Path) -> None:
    (open_folder / "postgres").mkdir()
    (open_folder / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(CannotStart, match="holds other things than the data of this system"):
        own(open_folder, find_account())
    assert owners(open_folder) == {"root"}


def test_a_folder_of_another_user_is_left_alone(open_folder: Path) -> None:
    os.chown(open_folder, 65_000, 65_000)
    with pytest.raises(CannotStart, match="belongs to user 65000"):
        own(open_folder, find_account())
    assert list(open_folder.iterdir()) == []


def test_no_trap_that_the_account_laid_makes_root_touch_what_is_its_own(open_folder: Path) -> None:
    account, data, target = find_account(), open_folder / "data", open_folder / "target"
    own(data, account)
    target.mkdir()
    (target / "file").write_text("root's")
    (data / "workspaces").rmdir()
    (data / "workspaces").symlink_to(target)
    (data / "run" / "launcher.pid").unlink()
    (data / "run" / "launcher.pid").symlink_to(target / "file")
    own(data, account)
    assert owners(target) == {"root"}
    assert (target / "file").read_text() == "root's"


def test_what_root_put_back_from_a_copy_becomes_the_accounts(open_folder: Path) -> None:
    own(open_folder / "data", find_account())
    (open_folder / "data" / "keys" / "ring.json").touch()
    os.chown(open_folder / "data" / "keys", 0, 0)
    own(open_folder / "data", find_account())
    assert owners(open_folder / "data") == {find_account().pw_name}


def test_data_of_a_system_that_runs_are_left_alone(open_folder: Path) -> None:
    data = DataFolder(open_folder / "data")
    with pytest.raises(CannotStart, match="already runs"):
        own(data.path, find_account())
    assert owners(data.path) == {"root"}
    data.close()


def test_no_part_of_a_system_that_root_starts_runs_as_root() -> None:
    box = str(Path(__file__).with_name("box.py"))
    with System(command=[sys.executable, box]) as system:
        system.start()
        running = {Path(f"/proc/{pid}").stat().st_uid for pid in system.pids().values()}
        assert running == {find_account().pw_uid}
        assert "Started as root: everything runs as the account 'agentapi'.\n" in system.output

"""Starting as root: the account, the owner of the data, and access to files in the home of root."""

import ctypes
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from onebox import account as module
from onebox.account import acting_as, find_account, is_compiled, take_ownership
from onebox.errors import CannotStart
from onebox.folder import DataFolder

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.usefixtures("servers"),
]
# Makes the first argument accessible to the account, and then executes the second as that account.
ENTER = """
import sys
from pathlib import Path
from onebox.account import drop_privileges, find_account, ensure_access
from onebox.errors import CannotStart
try:
    ensure_access(find_account(), [Path(sys.argv[1])])
except CannotStart as error:
    sys.exit(str(error))
drop_privileges(find_account())
exec(sys.argv[2])
"""
_PR_CAPBSET_DROP, _CAP_SYS_ADMIN = 24, 21
_libc = ctypes.CDLL(None)


@pytest.fixture
def home(open_folder: Path) -> Path:
    """Create a home that only root may enter, with a project and a private file."""
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    (home / "private").write_text("private")
    (home / "real").mkdir()
    (home / "project").symlink_to("real")
    (home / "real" / "code").write_text("code")
    return home


def enter(project: Path, code: str, before: Callable[[], object] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", ENTER, str(project), code]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=before)  # noqa: S603


def no_program(_name: str, path: str) -> None:
    """Act as `shutil.which` without any programs."""
    assert path


def owners(folder: Path) -> set[str]:
    return {pwd.getpwuid(path.lstat().st_uid).pw_name for path in [folder, *folder.rglob("*")]}


def test_code_is_compiled_when_there_are_files_next_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(module, "LAST_LOADED", "lonely")
    (tmp_path / "lonely.py").touch()
    assert not is_compiled()
    compiled = Path(cache_from_source(str(tmp_path / "lonely.py")))
    compiled.parent.mkdir()
    compiled.touch()
    assert is_compiled()


def test_the_account_is_not_root() -> None:
    assert find_account().pw_uid != 0


def test_the_account_is_nobody_if_none_can_be_created(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onebox.account.NAME", "no-such-account")
    monkeypatch.setattr("shutil.which", no_program)
    assert find_account().pw_name == "nobody"


def test_the_account_reads_a_project_in_the_home_of_root(home: Path) -> None:
    path = home / "project" / "code"
    done = enter(home / "project", f"print(open({str(path)!r}).read())")
    assert (done.stdout, done.stderr) == ("code\n", "")


def test_the_account_sees_nothing_else_in_the_home_of_root(home: Path) -> None:
    done = enter(home / "project", f"import os; print(sorted(os.listdir({str(home)!r})))")
    assert done.stdout == "['project', 'real']\n"


def test_files_written_in_the_view_are_in_the_folder_itself(home: Path) -> None:
    account = find_account()
    os.chown(home / "real", account.pw_uid, account.pw_gid)
    enter(home / "project", f"open({str(home / 'project' / 'made')!r}, 'w').write('made')")
    assert (home / "real" / "made").read_text() == "made"


def test_permissions_of_the_home_do_not_change(home: Path) -> None:
    enter(home / "project", "")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    with acting_as(find_account()), pytest.raises(PermissionError):
        (home / "real" / "code").read_text()


def test_the_account_cannot_become_root_again(home: Path) -> None:
    status = enter(home / "project", "print(open('/proc/self/status').read())").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == {str(find_account().pw_uid)}
    assert (fields["Groups"].strip(), int(fields["CapPrm"], 16), fields["NoNewPrivs"]) == ("", 0, "1")


def test_root_without_permission_to_mount_gets_advice(home: Path) -> None:
    done = enter(home / "project", "", lambda: _libc.prctl(_PR_CAPBSET_DROP, _CAP_SYS_ADMIN, 0, 0, 0))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"may not enter {home}, and this root user may not" in done.stderr
    assert "Move the project and DATA_DIR to folders that all accounts may enter" in done.stderr


def test_a_project_that_only_root_may_read_is_refused(home: Path) -> None:
    (home / "real").chmod(0o700)
    assert f"may not read {home}/project. Grant it read access (`chmod -R go+rX`)" in enter(home / "project", "").stderr


def test_data_created_by_root_changes_its_owner(open_folder: Path) -> None:
    data = DataFolder(open_folder / "data")
    (data.workspaces / "made").touch()
    (data.workspaces / "link").symlink_to("/etc/passwd")
    nobody = pwd.getpwnam("nobody")
    (data.path / "postgres").mkdir()
    os.chown(data.path / "postgres", nobody.pw_uid, nobody.pw_gid)
    data.path.chmod(0o711)
    data.close()
    take_ownership(data.path, find_account())
    assert owners(data.path) == {find_account().pw_name}
    assert Path("/etc/passwd").stat().st_uid == 0
    assert stat.S_IMODE(data.path.stat().st_mode) == 0o700


def test_changing_the_owner_clears_setuid_bits(open_folder: Path) -> None:
    data = DataFolder(open_folder / "data")
    made = data.workspaces / "made"
    made.touch()
    made.chmod(0o4755)
    data.close()
    take_ownership(data.path, find_account())
    assert stat.S_IMODE(made.stat().st_mode) == 0o755


def test_a_folder_with_other_files_is_refused(open_folder: Path) -> None:
    (open_folder / "private").touch()
    with pytest.raises(CannotStart, match="contains files that do not belong to this system"):
        take_ownership(open_folder, find_account())
    assert owners(open_folder) == {"root"}


def test_a_folder_with_the_database_of_another_service_is_refused(open_folder: Path) -> None:
    (open_folder / "postgres").mkdir()
    (open_folder / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(CannotStart, match="contains files that do not belong to this system"):
        take_ownership(open_folder, find_account())
    assert owners(open_folder) == {"root"}


def test_a_folder_of_another_user_is_refused(open_folder: Path) -> None:
    os.chown(open_folder, 65_000, 65_000)
    with pytest.raises(CannotStart, match="belongs to user 65000"):
        take_ownership(open_folder, find_account())
    assert list(open_folder.iterdir()) == []


def test_links_planted_by_the_account_do_not_affect_files_of_root(open_folder: Path) -> None:
    account, data, target = find_account(), open_folder / "data", open_folder / "target"
    take_ownership(data, account)
    target.mkdir()
    (target / "file").write_text("root's")
    (data / "workspaces").rmdir()
    (data / "workspaces").symlink_to(target)
    (data / "run" / "launcher.pid").unlink()
    (data / "run" / "launcher.pid").symlink_to(target / "file")
    take_ownership(data, account)
    assert owners(target) == {"root"}
    assert (target / "file").read_text() == "root's"


def test_files_that_root_restored_change_their_owner(open_folder: Path) -> None:
    take_ownership(open_folder / "data", find_account())
    (open_folder / "data" / "keys" / "ring.json").touch()
    os.chown(open_folder / "data" / "keys", 0, 0)
    take_ownership(open_folder / "data", find_account())
    assert owners(open_folder / "data") == {find_account().pw_name}


def test_data_of_a_running_system_is_refused(open_folder: Path) -> None:
    data = DataFolder(open_folder / "data")
    with pytest.raises(CannotStart, match="already running"):
        take_ownership(data.path, find_account())
    assert owners(data.path) == {"root"}
    data.close()

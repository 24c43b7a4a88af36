"""The account that the system runs as. Started by root, it switches to its own account before anything else."""

import contextlib
import ctypes
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from importlib.util import find_spec
from pathlib import Path

from sandbox.cgroups import divide_own_cgroup

from onebox.children import following_parent
from onebox.errors import CannotStart
from onebox.folder import DataFolder
from onebox.mount_view import expose, inaccessible_folders
from onebox.terminal import report

NAME = "agentapi"
LAST_LOADED = "eventing.main"
"""The module that `onebox.forking.Preloading` loads last."""
ALTERNATIVE = "or start as a non-root user"
_MAX_ATTEMPTS, _RETRY_SECONDS = 10, 0.2
_USERADD_OPTIONS = ["--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin"]
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_CHOWN_TIMEOUT = 3600
_PR_SET_NO_NEW_PRIVS = 38
_environment = os.environ  # noqa: TID251  inherited by the restarted program


def drop_root(data_dir: Path, pg_bindir: Path | None = None) -> None:
    """Restart this program as the account of the system if it runs as root; otherwise do nothing.

    Raises:
        CannotStart: that is not possible; the message says why and how to fix it.
    """
    if os.geteuid() != 0:
        return
    account = find_account()
    switch_to(account, data_dir, pg_bindir)
    report(f"Started as root: everything runs as the account '{account.pw_name}'{_shared_account_note(account)}.")
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  a shell is not wanted


def switch_to(account: pwd.struct_passwd, data_dir: Path, pg_bindir: Path | None = None) -> None:
    """Switch to the account, and make it the owner of the data folder, even if an earlier release created that as root.

    If the account may not enter a parent folder of the files it needs, such as the home of root, this process gets a
    view of the file system in which it may. No permissions change outside of that view.

    Raises:
        CannotStart: that is not possible; the message says why and how to fix it.
    """
    data_dir = data_dir.expanduser().absolute()
    with following_parent():
        take_ownership(data_dir, account)
        ensure_access(
            account, [*_code(), data_dir, *([pg_bindir.absolute().parent] if pg_bindir else []), *_certificates()]
        )
        divide_own_cgroup(owner=account)
        drop_privileges(account)
    if "TMPDIR" in _environment and not os.access(_environment["TMPDIR"], os.W_OK | os.X_OK):
        del _environment["TMPDIR"]
    _environment["DATA_DIR"] = str(data_dir)
    # Python would write compiled files next to the code, where the account has no write permission.
    if not is_compiled():
        _environment.setdefault("PYTHONPYCACHEPREFIX", str(data_dir / "pycache"))


def is_compiled() -> bool:
    """Return whether the code was compiled, as `make environment` does (`onebox.precompiling`)."""
    last = find_spec(LAST_LOADED)
    return bool(last and last.cached and Path(last.cached).exists())


def find_account() -> pwd.struct_passwd:
    """Return the account of the system. Create it if necessary; if that is not possible, return `nobody`.

    PostgreSQL requires an account that has a name.
    """
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    for attempt in range(_MAX_ATTEMPTS if program else 0):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(NAME)
        if attempt:
            time.sleep(_RETRY_SECONDS)  # another program may hold the lock on the list of accounts
        subprocess.run([program or "", *_USERADD_OPTIONS, NAME], capture_output=True, check=False, timeout=30)  # noqa: S603
    for name in (NAME, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise CannotStart(f"There is no account to run as. Create one (`useradd --system {NAME}`), {ALTERNATIVE}.")


def take_ownership(data_dir: Path, account: pwd.struct_passwd) -> None:
    """Make the account the owner of the data folder and its contents. Create the folder if it does not exist.

    Raises:
        CannotStart: the folder belongs to another user, is in use by a running system, or contains other files.
    """
    owner = data_dir.stat().st_uid if data_dir.exists() else 0
    if owner not in (0, account.pw_uid):
        raise CannotStart(f"{data_dir} belongs to user {owner}. Start as that user, or choose another DATA_DIR.")
    if owner == account.pw_uid:
        _chown_contents(data_dir, account)
        return
    if data_dir.is_dir() and not _is_ours(data_dir):
        raise CannotStart(
            f"{data_dir} contains files that do not belong to this system, whose owner would change to the account "
            f"'{account.pw_name}'. Choose an empty DATA_DIR, {ALTERNATIVE}."
        )
    folder = DataFolder(data_dir)  # root must not open it later: the account could have planted links in it
    try:
        _chown_contents(folder.path, account)
        folder.path.chmod(0o700)  # an earlier release let the account of PostgreSQL enter
        # The folder itself comes last, so that the next start completes an interrupted change.
        os.chown(folder.path, account.pw_uid, account.pw_gid)
    finally:
        folder.close()


def ensure_access(account: pwd.struct_passwd, needed: Iterable[Path]) -> None:
    """Make the `needed` paths accessible to the account, ignoring those that do not exist.

    Raises:
        CannotStart: the account cannot access them.
    """
    existing = [path for path in needed if path.exists()]
    with acting_as(account):
        blocked = inaccessible_folders(existing)
    if blocked:
        try:
            expose(existing, blocked)
        except OSError as error:
            raise CannotStart(
                f"The account '{account.pw_name}' may not enter {', '.join(map(str, blocked))}, and this root user may "
                f"not grant it access ({error.strerror}; CAP_SYS_ADMIN is required). Move the project and DATA_DIR to "
                f"folders that all accounts may enter, for example below /opt, {ALTERNATIVE}."
            ) from None
    with acting_as(account):
        unreadable = [path for path in existing if not _usable(path)]
    if unreadable:
        raise CannotStart(
            f"The account '{account.pw_name}' may not read {', '.join(map(str, unreadable[:3]))}. "
            f"Grant it read access (`chmod -R go+rX`), {ALTERNATIVE}."
        )


@contextlib.contextmanager
def acting_as(account: pwd.struct_passwd) -> Generator[None]:
    """Act with the permissions of the account while the context is open."""
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(account.pw_gid)
        os.seteuid(account.pw_uid)
    except OSError as error:
        raise _cannot_switch(account, error) from None
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def drop_privileges(account: pwd.struct_passwd) -> None:
    """Switch to the account permanently: no capabilities, no groups of root, and no way to regain them.

    Raises:
        CannotStart: this root user may not switch.
    """
    try:
        os.setgroups([])
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    except OSError as error:
        raise _cannot_switch(account, error) from None
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _environment.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)


def _cannot_switch(account: pwd.struct_passwd, error: OSError) -> CannotStart:
    return CannotStart(
        f"The system does not run as root, and this root user may not switch to the account '{account.pw_name}' "
        f"({error.strerror}). Start as a non-root user, or grant root CAP_SETUID and CAP_SETGID."
    )


def _is_ours(folder: Path) -> bool:
    # A folder `postgres` is no proof: another service may keep its database there.
    return (folder / "run/launcher.pid").exists() or not {p.name for p in folder.iterdir()} - {"lost+found"}


def _chown_contents(folder: Path, account: pwd.struct_passwd) -> None:
    others = [str(path) for path in folder.iterdir() if path.lstat().st_uid != account.pw_uid]
    if not others:
        return
    # `chown`, since agents can nest folders deeper than `os.walk` goes. Links are not followed: they may lead anywhere.
    command = ["chown", "-Rh", f"{account.pw_uid}:{account.pw_gid}", "--", *others]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=_CHOWN_TIMEOUT)  # noqa: S603
    if done.returncode:
        raise CannotStart(
            f"Cannot change the owner of {folder} to the account '{account.pw_name}': {done.stderr.strip()[:400]}. "
            f"Choose another DATA_DIR, {ALTERNATIVE}."
        )


def _code() -> list[Path]:
    paths = [sys.prefix, sys.base_prefix, sys.executable, sys.argv[0], *sys.path]
    return [path for path in map(Path, paths) if path.is_absolute()]


def _certificates() -> list[Path]:
    paths = [Path(_environment[name]) for name in _CERTIFICATES if name in _environment]
    return [path for path in paths if path.is_absolute()]


def _usable(path: Path) -> bool:
    return os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0), effective_ids=True)


def _shared_account_note(account: pwd.struct_passwd) -> str:
    if account.pw_name == NAME:
        return ""
    return f", which other programs may use too, because '{NAME}' could not be created (`useradd --system {NAME}`)"

"""Whom the system runs as: started by root, it changes to an account of its own before anything else."""

import contextlib
import ctypes
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from pathlib import Path

from onebox.folder import DataFolder
from onebox.reach import closed, lay_open
from onebox.terminal import say
from onebox.trouble import CannotStart

NAME = "agentapi"
INSTEAD = "or start as an ordinary user"
_ATTEMPTS, _PAUSE = 10, 0.2
_NEW = ["--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin"]
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_CHOWN_SECONDS = 3600
_PR_SET_NO_NEW_PRIVS = 38
_environment = os.environ  # noqa: TID251  it is handed on to ourselves


def leave_root(data_dir: Path, pg_bindir: Path | None = None) -> None:
    """Return at once unless we are root; else start this program again as the account of the system.

    Raises:
        CannotStart: it is not possible, saying why, and what to do.
    """
    if os.geteuid() != 0:
        return
    account = find_account()
    change_to(account, data_dir, pg_bindir)
    say(f"Started as root: everything runs as the account '{account.pw_name}'{_weaker(account)}.")
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  no shell is the point


def change_to(account: pwd.struct_passwd, data_dir: Path, pg_bindir: Path | None = None) -> None:
    """Go on as the account, which gets the data folder, also one that an earlier release made as root.

    Where the account may not enter a folder on the way to what it needs, as in the home of root, it gets a view of the
    file system in which it may; outside that view no permission changes.

    Raises:
        CannotStart: it is not possible, saying why, and what to do.
    """
    data_dir = data_dir.expanduser().absolute()
    own(data_dir, account)
    reach(account, [*_code(), data_dir, *([pg_bindir.absolute().parent] if pg_bindir else []), *_certificates()])
    become(account)
    if "TMPDIR" in _environment and not os.access(_environment["TMPDIR"], os.W_OK | os.X_OK):
        del _environment["TMPDIR"]
    _environment["DATA_DIR"] = str(data_dir)
    # The account may not write beside the code, where Python keeps what it has compiled.
    _environment.setdefault("PYTHONPYCACHEPREFIX", str(data_dir / "pycache"))


def find_account() -> pwd.struct_passwd:
    """Return the account of the system, which is made if need be, or else `nobody`.

    PostgreSQL wants one that has a name.
    """
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    for attempt in range(_ATTEMPTS if program else 0):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(NAME)
        if attempt:
            time.sleep(_PAUSE)  # another program may be changing the list of accounts
        subprocess.run([program or "", *_NEW, NAME], capture_output=True, check=False, timeout=30)  # noqa: S603
    for name in (NAME, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise CannotStart(f"There is no account to run as. Make one (`useradd --system {NAME}`), {INSTEAD}.")


def own(data_dir: Path, account: pwd.struct_passwd) -> None:
    """Make the data folder, if need be, and give it to the account with all that is in it.

    Raises:
        CannotStart: it is somebody else's, a system runs on it, or it holds something else.
    """
    owner = data_dir.stat().st_uid if data_dir.exists() else 0
    if owner not in (0, account.pw_uid):
        raise CannotStart(f"{data_dir} belongs to user {owner}. Start as that user, or choose another DATA_DIR.")
    if owner == account.pw_uid:
        _give_all_in(data_dir, account)
        return
    if data_dir.is_dir() and not _is_ours(data_dir):
        raise CannotStart(
            f"{data_dir} holds other things than the data of this system, and would be given to the account "
            f"'{account.pw_name}'. Choose an empty DATA_DIR, {INSTEAD}."
        )
    folder = DataFolder(data_dir)  # once it is the account's, root must not: what lies there may be a trap
    try:
        _give_all_in(folder.path, account)
        folder.path.chmod(0o700)  # an earlier release let PostgreSQL's account pass through
        # It comes last: what was not finished is found at the next start.
        os.chown(folder.path, account.pw_uid, account.pw_gid)
    finally:
        folder.close()


def reach(account: pwd.struct_passwd, needed: Iterable[Path]) -> None:
    """See to it that the account can use all that is `needed`; what does not exist is left out.

    Raises:
        CannotStart: it cannot.
    """
    existing = [path for path in needed if path.exists()]
    with acting_as(account):
        shut = closed(existing)
    if shut:
        try:
            lay_open(existing, shut)
        except OSError as error:
            raise CannotStart(
                f"The account '{account.pw_name}' may not enter {', '.join(map(str, shut))}, and this root may not "
                f"give it a way in ({error.strerror}; it takes CAP_SYS_ADMIN). Put the project and DATA_DIR where all "
                f"accounts may enter, for example below /opt, {INSTEAD}."
            ) from None
    with acting_as(account):
        unread = [path for path in existing if not _usable(path)]
    if unread:
        raise CannotStart(
            f"The account '{account.pw_name}' may not read {', '.join(map(str, unread[:3]))}. "
            f"Let it (`chmod -R go+rX` there), {INSTEAD}."
        )


@contextlib.contextmanager
def acting_as(account: pwd.struct_passwd) -> Generator[None]:
    """Have the account's rights for a while, and root's again in the end."""
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(account.pw_gid)
        os.seteuid(account.pw_uid)
    except OSError as error:
        raise _trapped(account, error) from None
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def become(account: pwd.struct_passwd) -> None:
    """Change to the account for good: without root's rights, and without a way back to them.

    Raises:
        CannotStart: this root may not.
    """
    try:
        os.setgroups([])
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    except OSError as error:
        raise _trapped(account, error) from None
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _environment.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)


def _trapped(account: pwd.struct_passwd, error: OSError) -> CannotStart:
    return CannotStart(
        f"The system does not run as root, and this root may not change to the account '{account.pw_name}' "
        f"({error.strerror}). Start as an ordinary user, or give it CAP_SETUID and CAP_SETGID."
    )


def _is_ours(folder: Path) -> bool:
    # A folder of somebody else's services may well hold one that is called `postgres`.
    return (folder / "run/launcher.pid").exists() or not {p.name for p in folder.iterdir()} - {"lost+found"}


def _give_all_in(folder: Path, account: pwd.struct_passwd) -> None:
    given = [str(path) for path in folder.iterdir() if path.lstat().st_uid != account.pw_uid]
    if not given:
        return
    # Agents can make folders deeper than Python's own walk gets. Links are not followed: they may lead anywhere.
    words = ["chown", "-Rh", f"{account.pw_uid}:{account.pw_gid}", "--", *given]
    done = subprocess.run(words, capture_output=True, check=False, text=True, timeout=_CHOWN_SECONDS)  # noqa: S603
    if done.returncode:
        raise CannotStart(
            f"{folder} cannot be given to the account '{account.pw_name}': {done.stderr.strip()[:400]}. "
            f"Choose another DATA_DIR, {INSTEAD}."
        )


def _code() -> list[Path]:
    # The first entry is the folder that the program was started in; its own files lie in the others.
    places = [sys.prefix, sys.base_prefix, sys.executable, sys.argv[0], *sys.path[0 if sys.flags.safe_path else 1 :]]
    return [place for place in map(Path, places) if place.is_absolute()]


def _certificates() -> list[Path]:
    places = [Path(_environment[name]) for name in _CERTIFICATES if name in _environment]
    return [place for place in places if place.is_absolute()]


def _usable(path: Path) -> bool:
    return os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0), effective_ids=True)


def _weaker(account: pwd.struct_passwd) -> str:
    if account.pw_name == NAME:
        return ""
    return f", which other programs may use too, because '{NAME}' could not be made (`useradd --system {NAME}`)"

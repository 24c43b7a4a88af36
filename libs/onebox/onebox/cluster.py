"""PostgreSQL's files: whose they are, which version made them, how they are made, and what a killed server leaves."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from onebox.children import allowed_environment, tether
from onebox.processes import lives, unburied
from onebox.trouble import CannotStart

NAME = "agentapi"  # of the database, and of its owner
_BURIAL_SECONDS = 5.0


@dataclass(frozen=True)
class Cluster:
    """A folder of databases, the folder of programs that work on it, and who may run them (None: we ourselves)."""

    data: Path
    programs: Path
    major: int
    account: pwd.struct_passwd | None

    def make(self, *, safely: bool) -> None:
        """Make the files and our database in them, whole or not at all; `safely` also survives a power cut."""
        unfinished = self.data.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self.give(unfinished)
        place, sync = ["-D", str(unfinished)], [] if safely else ["--no-sync"]
        self._call("initdb", *place, "-U", NAME, "-A", "trust", "-E", "UTF8", *self._locale(), *sync)
        self._call("postgres", "--single", *place, "postgres", say=f"CREATE DATABASE {NAME}\n")
        unfinished.rename(self.data)

    def bury(self) -> None:
        """Take away the lock files of a server that was killed and that nobody has buried: PostgreSQL thinks it lives.

        That it is dead is certain: it would still hold the lock on the data folder, as would all its children.
        """
        until = time.monotonic() + _BURIAL_SECONDS
        for lock in (self.data / "postmaster.pid", self.data / ".s.PGSQL.5432.lock"):
            pid = int(lock.read_text().split()[0]) if lock.exists() else 0
            while pid and lives(pid) and time.monotonic() < until:
                time.sleep(0.01)
            if pid and unburied(pid):
                lock.unlink()

    def give(self, folder: Path) -> None:
        """Let the account own a folder."""
        if self.account:
            os.chown(folder, self.account.pw_uid, self.account.pw_gid)

    def _locale(self) -> list[str]:
        if self.major >= 17:
            return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return ["--locale=C.UTF-8"]

    def _call(self, program: str, *arguments: str, say: str = "") -> None:
        done = subprocess.run(  # noqa: S603  PostgreSQL's own programs, no shell
            [str(self.programs / program), *arguments],
            input=say,
            capture_output=True,
            check=False,
            text=True,
            cwd="/",
            env=allowed_environment(),
            user=self.account.pw_uid if self.account else None,
            group=self.account.pw_gid if self.account else None,
            extra_groups=[] if self.account else None,
            preexec_fn=tether(signal.SIGKILL),
        )
        if done.returncode:
            raise CannotStart(f"The database could not be made in {self.data}.\n{done.stderr.strip()}")


def major_of(data: Path) -> int | None:
    """Read which PostgreSQL made the files; None when there are none yet."""
    if not data.exists():
        return None
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError):
        raise CannotStart(
            f"{data} is no PostgreSQL database, or a damaged one (its PG_VERSION cannot be read). "
            "Put a copy back, move it away to start empty, or choose another DATA_DIR."
        ) from None


def check_path(data: Path, account: pwd.struct_passwd | None) -> None:
    """Refuse a folder that the account cannot get to."""
    for folder in reversed(data.parents):
        if account and not _enters(account, folder):
            raise CannotStart(
                f"PostgreSQL does not run as root but as the user '{account.pw_name}', who may not enter {folder}. "
                "Choose another DATA_DIR (for example /var/lib/agentapi), or start as an ordinary user."
            )


def _enters(account: pwd.struct_passwd, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & 0o100)
    return bool(status.st_mode & (0o010 if status.st_gid == account.pw_gid else 0o001))

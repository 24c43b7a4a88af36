"""PostgreSQL's files: which version made them, how they are made, who may connect, and what a killed server leaves."""

import json
import pwd
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from onebox.children import allowed_environment, tether
from onebox.processes import is_alive, is_zombie
from onebox.trouble import CannotStart

NAME = "agentapi"  # of the database, and of its owner
_MAP = "owner"
_BURIAL_SECONDS = 5.0


@dataclass(frozen=True)
class Cluster:
    """A folder of databases, and the folder of programs that work on it."""

    data: Path
    programs: Path
    major: int

    def make(self, *, safely: bool) -> None:
        """Make the files and our database in them, whole or not at all; `safely` also survives a power cut."""
        unfinished = self.data.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        place, sync = ["-D", str(unfinished)], [] if safely else ["--no-sync"]
        self._call("initdb", *place, "-U", NAME, "-A", "peer", "-E", "UTF8", *self._locale(), *sync)
        self._call("postgres", "--single", *place, "postgres", say=f"CREATE DATABASE {NAME}\n")
        unfinished.rename(self.data)

    def bury(self) -> None:
        """Take away the lock files of a server that was killed and that nobody has buried: PostgreSQL thinks it lives.

        That it is dead is certain: it would still hold the lock on the data folder, as would all its children.
        """
        until = time.monotonic() + _BURIAL_SECONDS
        for lock in (self.data / "postmaster.pid", self.data / ".s.PGSQL.5432.lock"):
            pid = int(lock.read_text().split()[0]) if lock.exists() else 0
            while pid and is_alive(pid) and time.monotonic() < until:
                time.sleep(0.01)
            if pid and is_zombie(pid):
                lock.unlink()

    def close_to_strangers(self) -> None:
        """Let only the owner of the files connect, and root, who can be anybody; the kernel tells who it is."""
        accounts = {_name_of(uid) for uid in (0, self.data.stat().st_uid)}
        lines = [f"{_MAP} {json.dumps(account)} {NAME}\n" for account in sorted(accounts)]
        (self.data / "pg_ident.conf").write_text("".join(lines))
        (self.data / "pg_hba.conf").write_text(f"local all {NAME} peer map={_MAP}\n")

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


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise CannotStart(f"PostgreSQL wants an account with a name, and user {uid} has none.") from None

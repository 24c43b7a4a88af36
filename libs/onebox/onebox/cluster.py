"""The files of PostgreSQL: creating them, their version, access rules, and stale locks of a killed server."""

import json
import pwd
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from onebox.children import allowed_environment, signal_on_parent_death
from onebox.errors import CannotStart
from onebox.processes import is_alive, is_zombie

NAME = "agentapi"  # of the database and its owner
SERVICE_ROLE = "agentapi_service"
"""The role of the services, which owns nothing."""
_CREATE_SERVICE_ROLE = (
    f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{SERVICE_ROLE}') "
    f"THEN CREATE ROLE {SERVICE_ROLE} LOGIN; END IF; END $$\n"
)
_ROLE_CREATED = "agentapi.service-role"  # a file that says that the cluster has this role
_MAP = "owner"
_REAP_TIMEOUT = 5.0


@dataclass(frozen=True)
class Cluster:
    """A folder with a database cluster, and the folder with the programs of its version."""

    data: Path
    programs: Path
    major: int

    def create(self, *, durable: bool) -> None:
        """Create the files and the database, completely or not at all; `durable` flushes them to disk."""
        unfinished = self.data.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        folder, sync = ["-D", str(unfinished)], [] if durable else ["--no-sync"]
        self._call("initdb", *folder, "-U", NAME, "-A", "peer", "-E", "UTF8", *self._locale(), *sync)
        statements = f"CREATE DATABASE {NAME}\n{_CREATE_SERVICE_ROLE}"
        self._call("postgres", "--single", *folder, "postgres", stdin=statements)
        (unfinished / _ROLE_CREATED).touch()
        unfinished.rename(self.data)

    def create_service_role(self) -> None:
        """Create the role of the services in a cluster that an earlier release created."""
        if not (self.data / _ROLE_CREATED).exists():
            self._call("postgres", "--single", "-D", str(self.data), "postgres", stdin=_CREATE_SERVICE_ROLE)
            (self.data / _ROLE_CREATED).touch()

    def remove_stale_locks(self) -> None:
        """Remove the lock files of a killed server that is still a zombie, which PostgreSQL takes for a running one.

        It cannot be running: it and all its children would still hold the lock on the data folder.
        """
        until = time.monotonic() + _REAP_TIMEOUT
        for lock in (self.data / "postmaster.pid", self.data / ".s.PGSQL.5432.lock"):
            pid = int(lock.read_text().split()[0]) if lock.exists() else 0
            while pid and is_alive(pid) and time.monotonic() < until:
                time.sleep(0.01)
            if pid and is_zombie(pid):
                lock.unlink()

    def restrict_access(self) -> None:
        """Allow only the owner of the files and root to connect, authenticated by the kernel (peer authentication)."""
        accounts = {_name_of(uid) for uid in (0, self.data.stat().st_uid)}
        roles = (NAME, SERVICE_ROLE)
        lines = [f"{_MAP} {json.dumps(account)} {role}\n" for account in sorted(accounts) for role in roles]
        (self.data / "pg_ident.conf").write_text("".join(lines))
        (self.data / "pg_hba.conf").write_text(f"local all {','.join(roles)} peer map={_MAP}\n")

    def _locale(self) -> list[str]:
        if self.major >= 17:
            return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return ["--locale=C.UTF-8"]

    def _call(self, program: str, *arguments: str, stdin: str = "") -> None:
        done = subprocess.run(  # noqa: S603  PostgreSQL's own programs, no shell
            [str(self.programs / program), *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            text=True,
            cwd="/",
            env=allowed_environment(),
            preexec_fn=signal_on_parent_death(signal.SIGKILL),
        )
        if done.returncode:
            raise CannotStart(f"Cannot create the database, or its roles, in {self.data}.\n{done.stderr.strip()}")


def major_of(data: Path) -> int | None:
    """Return the major version of PostgreSQL that created the files, or None if there are none.

    Raises:
        CannotStart: the files are not those of a database, or are damaged.
    """
    if not data.exists():
        return None
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError):
        raise CannotStart(
            f"{data} is not a PostgreSQL database, or is damaged (cannot read its PG_VERSION). Restore a backup, move "
            "the folder away to start with an empty database, or choose another DATA_DIR."
        ) from None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise CannotStart(f"PostgreSQL requires an account with a name, and the user id {uid} has none.") from None

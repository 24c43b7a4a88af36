"""PostgreSQL as a child of this process, reached over a unix socket that only this user can open."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from onebox.children import Child, Program, allowed_environment, tether
from onebox.folder import DataFolder
from onebox.processes import lives, unburied
from onebox.programs import find_postgres, postgres_account, reachable_copy
from onebox.trouble import CannotStart, tail

NAME = "agentapi"  # of the database, and of its owner
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_LONGEST_SOCKET_FOLDER = 90  # the address of a unix socket has 104 (macOS) or 108 bytes
_START_SECONDS = 60.0


class EmbeddedPostgres:
    """A server whose files are in the data folder.

    Args:
        folder: where to keep the database; an empty one is made when there is none.
        bindir: the folder of its programs, instead of those that are found.
        options: settings of the server, for example `FORGETFUL` for tests.
    """

    def __init__(
        self, folder: DataFolder, *, bindir: Path | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        self.data = folder.path / "postgres"
        self._options = dict(options or {})
        self._account = postgres_account(self.data)
        self._check_path()
        self._binaries = find_postgres(bindir, _major(self.data))
        self._programs = reachable_copy(self._binaries, self._account, folder.path)
        self._socket = self._socket_folder()
        self.url = self.url_of(NAME)
        self.child = Child(self._program(), folder)

    def url_of(self, database: str) -> str:
        """Give the address of a database."""
        return f"postgresql://{NAME}@/{database}?host={quote(str(self._socket), safe='/')}"

    def start(self) -> str:
        """Start the server, make the database if need be, wait until it is ready, and give its address."""
        if not self.data.exists():
            self._make()
        self._bury()
        self.child.start()
        self._wait()
        return self.url

    def stop(self) -> None:
        """Roll back what is open, write everything down, and end."""
        self.child.ask_to_stop()
        self.child.finish()
        if self._socket != self.data:
            shutil.rmtree(self._socket, ignore_errors=True)

    def _program(self) -> Program:
        options = {"unix_socket_directories": f'"{self._socket}"', "listen_addresses": "", **self._options}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Program(
            "postgres",
            [str(self._programs / "postgres"), "-D", str(self.data), *settings],
            account=self._account,
            stop=signal.SIGINT,  # "fast": does not wait for its clients
            force=signal.SIGQUIT,
            when_orphaned=signal.SIGINT,
            grace=30.0,
        )

    def _socket_folder(self) -> Path:
        if len(str(self.data)) <= _LONGEST_SOCKET_FOLDER:
            return self.data
        short = Path(tempfile.mkdtemp(prefix="onebox-", dir="/tmp"))
        self._give(short)
        return short

    def _make(self) -> None:
        # Under another name until it is complete: what a killed start leaves is not taken for a database.
        unfinished = self.data.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._give(unfinished)
        sync = ["--no-sync"] if self._options.get("fsync") == "off" else []
        self._call("initdb", "-D", str(unfinished), "-U", NAME, "-A", "trust", "-E", "UTF8", *self._locale(), *sync)
        self._call("postgres", "--single", "-D", str(unfinished), "postgres", say=f"CREATE DATABASE {NAME}\n")
        unfinished.rename(self.data)

    def _locale(self) -> list[str]:
        if self._binaries.version[0] >= 17:
            return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return ["--locale=C.UTF-8"]

    def _call(self, program: str, *arguments: str, say: str = "") -> None:
        done = subprocess.run(  # noqa: S603  PostgreSQL's own programs, no shell
            [str(self._programs / program), *arguments],
            input=say,
            capture_output=True,
            check=False,
            text=True,
            cwd="/",
            env=allowed_environment(),
            user=self._account.pw_uid if self._account else None,
            group=self._account.pw_gid if self._account else None,
            extra_groups=[] if self._account else None,
            preexec_fn=tether(signal.SIGKILL),
        )
        if done.returncode:
            raise CannotStart(f"The database could not be made in {self.data}.\n{done.stderr.strip()}")

    def _bury(self) -> None:
        """Take away the lock files of a server that was killed and that nobody has buried: PostgreSQL thinks it lives.

        That it is dead is certain: it would still hold the lock on the data folder, as would all its children.
        """
        until = time.monotonic() + 5
        for lock in (self.data / "postmaster.pid", self.data / ".s.PGSQL.5432.lock"):
            pid = int(lock.read_text().split()[0]) if lock.exists() else 0
            while pid and lives(pid) and time.monotonic() < until:
                time.sleep(0.01)
            if pid and unburied(pid):
                lock.unlink()

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while not self._ready():
            if not self.child.running():
                raise CannotStart(
                    f"PostgreSQL does not start on {self.data}. Is the folder damaged? Then put a copy back, or choose "
                    f"another DATA_DIR to start empty.\n{tail(self.child.log)}"
                )
            if time.monotonic() > until:
                raise CannotStart(f"PostgreSQL is not ready after {_START_SECONDS:.0f} s.\n{tail(self.child.log)}")
            time.sleep(0.01)

    def _ready(self) -> bool:
        # As pg_ctl does: line 1 of the file is the process, line 8 its state.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.child.pid) and lines[7].strip() == "ready"

    def _give(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _check_path(self) -> None:
        if self._account:
            for folder in reversed(self.data.parents):
                if not _enters(self._account, folder):
                    raise CannotStart(
                        f"PostgreSQL does not run as root but as the user '{self._account.pw_name}', who may not "
                        f"enter {folder}. Choose another DATA_DIR (for example /var/lib/agentapi), or start as an "
                        "ordinary user."
                    )


def _enters(account: pwd.struct_passwd, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & 0o100)
    return bool(status.st_mode & (0o010 if status.st_gid == account.pw_gid else 0o001))


def _major(data: Path) -> int | None:
    """Read which PostgreSQL made the database; None when there is no database yet."""
    if not data.exists():
        return None
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError):
        raise CannotStart(
            f"{data} is no PostgreSQL database, or a damaged one (its PG_VERSION cannot be read). "
            "Put a copy back, move it away to start empty, or choose another DATA_DIR."
        ) from None

"""PostgreSQL as a child process, on a Unix socket that only this user can open."""

import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from onebox.children import Child, Program
from onebox.cluster import NAME, SERVICE_ROLE, Cluster, major_of
from onebox.errors import CannotStart, tail
from onebox.folder import DataFolder
from onebox.processes import is_alive
from onebox.programs import find_postgres

NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# A failed statement may contain personal data, such as an e-mail address, so statements are not logged.
_LOG_PRIVACY = {"log_error_verbosity": "terse", "log_min_error_statement": "panic", "log_parameter_max_length": "0"}
# Without processes that would only wait on one machine: a launcher of replication, and since PostgreSQL 18 readers of
# files.
_SMALL = {"max_logical_replication_workers": "0", "jit": "off", "wal_buffers": "1MB"}
_SMALL_18 = {"io_method": "sync"}
_MAX_SOCKET_FOLDER_LENGTH = 90  # the path of a Unix socket is limited to 104 (macOS) or 108 bytes
_START_TIMEOUT = 60.0


class EmbeddedPostgres:
    """A PostgreSQL server that stores its files in the data folder.

    Args:
        folder: the folder for the database; an empty database is created if there is none.
        bindir: the folder of its programs; by default it is searched for.
        options: server settings, for example `NOT_DURABLE` for tests.
    """

    def __init__(
        self, folder: DataFolder, *, bindir: Path | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        self.data = folder.path / "postgres"
        self._options = dict(options or {})
        binaries = find_postgres(bindir, major_of(self.data))
        self._cluster = Cluster(self.data, binaries.folder, binaries.version[0])
        self._socket = self._socket_folder()
        self.url, self.service_url = self.url_of(NAME), self.url_of(NAME, SERVICE_ROLE)
        self.child = Child(self._program(), folder)

    def url_of(self, database: str, role: str = NAME) -> str:
        """Return the URL of a database, for its owner or for another role."""
        return _url(self._socket, database, role)

    def start(self) -> str:
        """Start the server, wait until it is ready, and return the URL of the database for its owner.

        The database and the role of the services are created if they do not exist.
        """
        if not self.data.exists():
            self._cluster.create(durable=self._options.get("fsync") != "off")
        self._cluster.remove_stale_locks()
        self._cluster.create_service_role()
        self._cluster.restrict_access()
        self.child.start()
        self._wait()
        return self.url

    def stop(self) -> None:
        """Stop the server: roll back open transactions, and flush everything to disk."""
        self.child.ask_to_stop()
        self.child.finish()
        if self._socket != self.data:
            shutil.rmtree(self._socket, ignore_errors=True)

    def _program(self) -> Program:
        sockets = {"unix_socket_directories": f'"{self._socket}"', "listen_addresses": ""}
        small = _SMALL | (_SMALL_18 if self._cluster.major >= 18 else {})
        options = {**sockets, **_LOG_PRIVACY, **small, **self._options}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Program(
            "postgres",
            [str(self._cluster.programs / "postgres"), "-D", str(self.data), *settings],
            stop=signal.SIGINT,  # "fast" shutdown: does not wait for clients to disconnect
            force=signal.SIGQUIT,
            when_orphaned=signal.SIGINT,
            grace=30.0,
        )

    def _socket_folder(self) -> Path:
        if len(str(self.data)) <= _MAX_SOCKET_FOLDER_LENGTH:
            return self.data
        return Path(tempfile.mkdtemp(prefix="onebox-", dir="/tmp"))

    def _wait(self) -> None:
        end = time.monotonic() + _START_TIMEOUT
        while not self._ready():
            if not self.child.running():
                raise CannotStart(
                    f"PostgreSQL did not start with the data in {self.data}. If it is damaged, restore a backup, or "
                    f"choose another DATA_DIR to start with an empty database.\n{tail(self.child.log)}"
                )
            if time.monotonic() > end:
                raise CannotStart(f"PostgreSQL is not ready after {_START_TIMEOUT:.0f} s.\n{tail(self.child.log)}")
            time.sleep(0.01)

    def _ready(self) -> bool:
        lines = _state(self.data)
        return bool(lines) and lines[0] == str(self.child.pid)


def url_of_running(data: Path) -> str | None:
    """Return the URL of the database, for its owner, that a server runs on; None if none is ready."""
    lines = _state(data)
    return _url(Path(lines[4]), NAME, NAME) if lines and is_alive(int(lines[0])) else None


def _state(data: Path) -> list[str]:
    """Return what a server that is ready has written; nothing if there is none.

    As pg_ctl reads it: line 1 is the process id, line 5 the folder of the socket, line 8 the state.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []
    return lines if len(lines) >= 8 and lines[7].strip() == "ready" else []


def _url(socket: Path, database: str, role: str) -> str:
    return f"postgresql://{role}@/{database}?host={quote(str(socket), safe='/')}"

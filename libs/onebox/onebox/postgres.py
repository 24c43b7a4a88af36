"""PostgreSQL as a child of this process, reached over a unix socket that only this user can open."""

import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from onebox.children import Child, Program
from onebox.cluster import NAME, Cluster, major_of
from onebox.folder import DataFolder
from onebox.programs import find_postgres
from onebox.trouble import CannotStart, tail

FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# What a statement that fails was about may be somebody's e-mail address: it stays out of the log.
_DISCREET = {"log_error_verbosity": "terse", "log_min_error_statement": "panic", "log_parameter_max_length": "0"}
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
        binaries = find_postgres(bindir, major_of(self.data))
        self._cluster = Cluster(self.data, binaries.folder, binaries.version[0])
        self._socket = self._socket_folder()
        self.url = self.url_of(NAME)
        self.child = Child(self._program(), folder)

    def url_of(self, database: str) -> str:
        """Give the address of a database."""
        return f"postgresql://{NAME}@/{database}?host={quote(str(self._socket), safe='/')}"

    def start(self) -> str:
        """Start the server, make the database if need be, wait until it is ready, and give its address."""
        if not self.data.exists():
            self._cluster.make(safely=self._options.get("fsync") != "off")
        self._cluster.bury()
        self._cluster.close_to_strangers()
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
        place = {"unix_socket_directories": f'"{self._socket}"', "listen_addresses": ""}
        options = {**place, **_DISCREET, **self._options}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Program(
            "postgres",
            [str(self._cluster.programs / "postgres"), "-D", str(self.data), *settings],
            stop=signal.SIGINT,  # "fast": does not wait for its clients
            force=signal.SIGQUIT,
            when_orphaned=signal.SIGINT,
            grace=30.0,
        )

    def _socket_folder(self) -> Path:
        if len(str(self.data)) <= _LONGEST_SOCKET_FOLDER:
            return self.data
        return Path(tempfile.mkdtemp(prefix="onebox-", dir="/tmp"))

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

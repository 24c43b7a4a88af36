"""The data folder, and the lock that prevents a second system from using it."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from onebox.errors import CannotStart
from onebox.processes import is_alive

UNFINISHED_RESTORE = "restore-unfinished"
"""A file that marks a data folder to which a backup is being restored, or was not restored to the end."""
LOCK_TIMEOUT = 20.0
ADDRESS = "address"
"""The file in `run` with the URL of the running system."""
OPS = "ops.json"
"""The file in `run` with the ports for probes and metrics, as Prometheus reads it (`file_sd_configs`)."""


class DataFolder:
    """A data folder that this process has locked.

    Children inherit the lock, so it is released only when the last of them has ended, however the launcher ended. One
    that a backup is being restored to is refused, unless `restoring`.
    """

    def __init__(self, path: Path, *, restoring: bool = False) -> None:
        self.path = path.expanduser().resolve()
        _create(self.path, 0o700)
        self.logs = self._subfolder("logs")
        self.run = self._subfolder("run")
        self.keys = self._subfolder("keys")
        self.workspaces = self._subfolder("workspaces")
        self.archives = self._subfolder("archives")
        self.reports = self._subfolder("reports")
        self.cache = self._subfolder("cache")
        self.address, self.ops = self.run / ADDRESS, self.run / OPS
        self.lock = _locked(self.run / "launcher.pid", self.path)
        if not restoring and (self.path / UNFINISHED_RESTORE).exists():
            self.close()
            raise CannotStart(
                f"A restore to {self.path} was interrupted. Repeat it, which begins again, or choose another DATA_DIR."
            )

    def close(self) -> None:
        """Release the lock of this process; running children keep theirs."""
        os.close(self.lock)

    def secret(self, path: Path, create: Callable[[], str]) -> str:
        """Return the secret in a file; if there is none, create it, readable only by this user."""
        if path.exists():
            return path.read_text()
        secret = create()
        write_whole(path, secret)
        return secret

    def _subfolder(self, name: str) -> Path:
        folder = self.path / name
        _create(folder, 0o700)
        return folder


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that is complete, or else not replaced, also after a crash. It never has another mode than this."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    with unfinished.open("w") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    unfinished.rename(path)


def _create(folder: Path, mode: int) -> None:
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(mode)
    except (FileExistsError, NotADirectoryError):
        raise CannotStart(f"{folder} is a file or below a file. Choose another DATA_DIR.") from None
    except OSError as error:
        raise CannotStart(f"Cannot create {folder}: {error.strerror}. Choose another DATA_DIR.") from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise CannotStart(f"This user cannot write to {folder}. Choose another DATA_DIR.")


def _locked(file: Path, folder: Path) -> int:
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + LOCK_TIMEOUT
    while not _try_lock(lock):
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
        if _alive(holder) or time.monotonic() > end:
            os.close(lock)
            raise CannotStart(
                f"A system is already running on {folder} (process {holder or 'unknown'}; all process ids: "
                f"{file.parent}/*.pid). Stop it with Ctrl-C or by killing that process, or choose another DATA_DIR."
            )
        time.sleep(0.05)  # its launcher was killed, and its servers are still shutting down
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _try_lock(lock: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _alive(pid: str) -> bool:
    try:
        return is_alive(int(pid))
    except (ValueError, OverflowError):  # the process that locked the file is still writing its id
        return True

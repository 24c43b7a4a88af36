"""The data folder: where everything lies, and the lock that keeps a second system out."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from onebox.processes import is_alive
from onebox.trouble import CannotStart

LOCK_PATIENCE = 20.0
ADDRESS = "address"
"""The file, in `run`, that says where the running system is."""


class DataFolder:
    """A folder that this process has locked.

    Children inherit the lock, so that it is free only when the last of them has ended, however the launcher went.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        _make(self.path, 0o700)
        self.logs = self._room("logs")
        self.run = self._room("run")
        self.keys = self._room("keys")
        self.workspaces = self._room("workspaces")
        self.archives = self._room("archives")
        self.address = self.run / ADDRESS
        self.lock = _locked(self.run / "launcher.pid", self.path)

    def close(self) -> None:
        """Let go of the lock; children that still live keep theirs."""
        os.close(self.lock)

    def secret(self, path: Path, make: Callable[[], str]) -> str:
        """Read a secret, or make it when there is none; only this user can read it."""
        if path.exists():
            return path.read_text()
        secret, unfinished = make(), path.with_name(f"{path.name}.new")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        with unfinished.open("w") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)  # whole or not at all
        return secret

    def _room(self, name: str) -> Path:
        room = self.path / name
        _make(room, 0o700)
        return room


def _make(folder: Path, mode: int) -> None:
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(mode)
    except (FileExistsError, NotADirectoryError):
        raise CannotStart(f"{folder} is a file, or in one, and has to be a folder. Choose another DATA_DIR.") from None
    except OSError as error:
        raise CannotStart(f"{folder} cannot be made: {error.strerror}. Choose another DATA_DIR.") from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise CannotStart(f"{folder} cannot be written to by this user. Choose another DATA_DIR.")


def _locked(file: Path, folder: Path) -> int:
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    patience = time.monotonic() + LOCK_PATIENCE
    while not _taken(lock):
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
        if _alive(holder) or time.monotonic() > patience:
            os.close(lock)
            raise CannotStart(
                f"A system already runs on {folder} (process {holder or 'unknown'}; its parts: {file.parent}/*.pid). "
                "Stop it (Ctrl-C where it runs, or kill that process), or choose another DATA_DIR."
            )
        time.sleep(0.05)  # its launcher was killed, and its servers are still closing their files
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _taken(lock: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _alive(pid: str) -> bool:
    try:
        return is_alive(int(pid))
    except (ValueError, OverflowError):  # still being written: whoever writes it is alive
        return True

"""A place for what lives as long as this process does: the papers of its agents, and what the SDK unpacks."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

NAME = "agentapi-session-"


@contextmanager
def scratch() -> Generator[Path]:
    """Let temporary files go to a folder of this process, and remove it in the end.

    Folders of processes that were killed are removed first: they hold conversations. All lie under the system's folder
    for temporary files, because the path of a unix socket has at most 108 bytes.
    """
    root = Path(tempfile.gettempdir())
    for left in root.glob(f"{NAME}*"):
        if left.stat().st_uid == os.geteuid() and not _lives(left.name.removeprefix(NAME).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    own = Path(tempfile.mkdtemp(prefix=f"{NAME}{os.getpid()}-"))
    tempfile.tempdir = str(own)
    try:
        yield own
    finally:
        tempfile.tempdir = str(root)
        shutil.rmtree(own, ignore_errors=True)


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, PermissionError, ValueError):  # the folder is ours, so another's process is not its
        return False
    return True

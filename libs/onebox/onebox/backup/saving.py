"""Saving a running system, or the stores and folders of services in containers."""

import os
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel
from runtime import clock

from onebox.backup import BackupFailed
from onebox.backup.archive import DATABASE, END, MANIFEST, Writer
from onebox.backup.database import Source
from onebox.backup.files import Copier
from onebox.backup.manifest import End, Keys, Manifest, keys_of
from onebox.backup.settings import RINGS, BackupSettings
from onebox.postgres import url_of_running
from onebox.programs import find_clients
from onebox.terminal import report

REQUIRED = ("ring.json", "secrets.json")
"""Without the ring of stored responses, only these are lost."""


def save(settings: BackupSettings, file: Path, *, in_place: bool = False) -> None:
    """Save to a file, and the keys beside it, while the system runs. Neither exists before it is complete.

    With `in_place`, both exist already and are empty: a container writes them, whose user is not their owner.

    Raises:
        BackupFailed, OSError: it is not possible; nothing was written.
    """
    rings = _rings(settings.keys)
    source = Source(settings.url or _embedded(settings))
    clients = find_clients(settings.pg_bindir, source.major())
    manifest = Manifest(
        created_at=clock.now(), postgres=max(clients.version[0], source.major()), migrations=source.migrations()
    )
    if not manifest.migrations:
        raise BackupFailed("The database has no tables of any service: correct DATABASE_URL.")
    report(f"Saving release {manifest.product} with PostgreSQL {manifest.postgres}: {', '.join(manifest.migrations)}")
    opened = _empty if in_place else unfinished
    with opened(file) as backup, opened(keys_of(file)) as keys:
        with Writer.to(backup) as archive:
            archive.add(MANIFEST, _json(manifest))
            save_parts(archive, source.dump(clients.folder), settings.folders)
        description = Keys(sha256=archive.sha256, unpacked_bytes=archive.unpacked_bytes, rings=rings)
        keys.write(_json(description))
    size = _megabytes(file.stat().st_size)
    report(f"Saved: {file} ({size}), and {', '.join(rings)} in {keys_of(file)}. Keep these two apart.")


def save_parts(archive: Writer, dump: Iterable[bytes], folders: dict[str, Path]) -> None:
    """Save the files, the database, and again the files that have changed since."""
    copier = Copier(archive, folders)
    first = copier.tops()
    copier.copy(first, only_folders=True)
    report(f"  {', '.join(folders)}: {copier.files} files, {_megabytes(copier.bytes)}")
    kept, size = copier.tops(), 0
    for number, part in enumerate(dump):
        if not number:  # the dump has the state of this moment
            kept |= copier.tops()
        archive.add(f"{DATABASE}/{number:08}", part)
        size += len(part)
    report(f"  database: {_megabytes(size)}")
    # A mark of a service on its folder comes last: with a half restored folder it does not start.
    copier.copy(kept)
    archive.add(END, _json(End(gone=sorted(first - kept))))
    report(f"  in all {copier.files} files; {copier.left_out} pipes, sockets and unreadable entries are left out")


def _rings(folder: Path) -> dict[str, str]:
    rings = {name: (folder / name).read_text() for name in RINGS if (folder / name).exists()}
    if missing := [name for name in REQUIRED if name not in rings]:
        raise BackupFailed(f"{folder} lacks {' and '.join(missing)}: set DATA_DIR, or KEYS_DIR, to where the keys are.")
    return rings


def _embedded(settings: BackupSettings) -> str:
    data = settings.data_dir.expanduser().resolve() / "postgres"
    if url := url_of_running(data):
        return url
    raise BackupFailed(
        f"No system is running in {data.parent}. Start it, set DATA_DIR, or set DATABASE_URL to your own PostgreSQL. A "
        "stopped system can be saved by copying its DATA_DIR."
    )


@contextmanager
def unfinished(file: Path) -> Generator[BinaryIO]:
    """Yield a file that only its owner can read, and that gets its name when the block has ended without an error.

    Raises:
        BackupFailed: a file of that name exists.
    """
    _check_absent(file)
    descriptor, name = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".part", dir=file.absolute().parent)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            yield opened
            opened.flush()
            os.fsync(descriptor)
        _check_absent(file)  # another process may have written it meanwhile
        Path(name).rename(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _empty(file: Path) -> Generator[BinaryIO]:
    """Yield an empty file, which stays that of its owner.

    Raises:
        BackupFailed: it has content.
    """
    with file.open("r+b") as opened:
        if opened.seek(0, os.SEEK_END):
            raise BackupFailed(f"{file} is not empty.")
        yield opened
        opened.flush()
        os.fsync(opened.fileno())


def _check_absent(file: Path) -> None:
    if file.exists():
        raise BackupFailed(f"{file} exists. Choose another name, or remove it.")


def _json(model: BaseModel) -> bytes:
    return model.model_dump_json(indent=1).encode()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

"""Restoring a backup to where there is no data, so that the next start continues from it."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.files.erasing import erase

from onebox.account import find_account, switch_to
from onebox.backup import BackupFailed
from onebox.backup.archive import DATABASE, END, Reader
from onebox.backup.database import Source
from onebox.backup.manifest import Keys, Manifest, keys_of
from onebox.backup.placing import Placer
from onebox.backup.saving import unfinished
from onebox.backup.settings import RINGS, BackupSettings
from onebox.folder import UNFINISHED_RESTORE, DataFolder
from onebox.postgres import EmbeddedPostgres
from onebox.programs import find_clients, find_postgres
from onebox.terminal import report

IGNORED = ("run", "logs", "lost+found", UNFINISHED_RESTORE)


@dataclass(frozen=True)
class Target:
    """Where a backup is restored to."""

    database: Source
    folders: dict[str, Path]
    keys: Path
    programs: Path


def restore(settings: BackupSettings, file: Path) -> None:
    """Restore a file and the keys beside it.

    Raises:
        BackupFailed, CannotStart, OSError: it is not possible. Nothing was written, unless the backup is complete and
            unchanged, and the target empty.
    """
    if not file.is_file():
        raise BackupFailed(f"There is no backup {file}.")
    keys = Keys.read(keys_of(file))
    with file.open("rb") as backup:  # while this process may be root
        keys.check(backup, file)
        with Reader.of(backup) as reader:
            manifest = reader.manifest()
            manifest.check()
            report(f"Restoring release {manifest.product}, saved at {manifest.created_at:%Y-%m-%d %H:%M} UTC")
            with _prepared(settings, manifest, keys) as target:
                _restore(reader, target, keys)
                target.database.start_relays()
    start = "with an empty bus" if settings.url else f"with `DATA_DIR={settings.data_dir} make run`"
    report(f"Restored. Start it {start}. Never run two systems from one backup.")


def _restore(reader: Reader, target: Target, keys: Keys) -> None:
    placer, complete, last = Placer(reader, target.folders, keys.unpacked_bytes), False, b""
    with target.database.restoring(target.programs) as dump:
        for member in reader:
            if member.name == END:
                placer.remove(reader.end(member))
                complete = True
            elif member.name.startswith(f"{DATABASE}/"):
                placer.spend(member)
                dump.write(last)
                last = reader.content(member)
            else:
                placer.place(member)
        if not complete:
            raise BackupFailed("The backup is incomplete.")
        for name, ring in keys.rings.items():
            _restore_ring(target.keys / name, ring)
        dump.write(last)  # without its end the dump is not committed
    report(f"  {placer.files} files, {placer.bytes / 1e6:,.1f} MB; {', '.join(keys.rings)}; the database")


def _restore_ring(file: Path, ring: str) -> None:
    if file.name in RINGS and not file.exists():
        with unfinished(file) as opened:
            opened.write(ring.encode())


@contextmanager
def _prepared(settings: BackupSettings, manifest: Manifest, keys: Keys) -> Generator[Target]:
    """Yield the target, whose database is running and empty.

    Raises:
        BackupFailed, CannotStart: it has data, lacks space, or its PostgreSQL is older than that of the backup.
    """
    if not settings.url:
        _check_version(find_postgres(settings.pg_bindir, None).version[0], manifest)
    if settings.uses_data_dir and os.geteuid() == 0:
        switch_to(find_account(), settings.data_dir, settings.pg_bindir)
    with _locked(settings) as folder:
        for path in (*settings.folders.values(), settings.keys):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_folders(settings, keys)
        with _database(settings, folder) as source:
            major = source.major()
            _check_version(major, manifest)
            if schemas := source.schemas():
                raise BackupFailed(
                    f"The database has tables already ({', '.join(schemas)}). Restore to an empty one. "
                    "If an interrupted restore has left these, drop their schemas first, and start no service before."
                )
            programs = find_clients(settings.pg_bindir, major).folder
            yield Target(source, settings.folders, settings.keys, programs)


def _check_version(major: int, manifest: Manifest) -> None:
    if major < manifest.postgres:
        raise BackupFailed(
            f"The backup needs PostgreSQL {manifest.postgres} or later, and this is {major}: set PG_BINDIR, or the URL "
            "of the database, to a later one."
        )


def _check_folders(settings: BackupSettings, keys: Keys) -> None:
    for folder in settings.folders.values():
        if has_files(folder):
            raise BackupFailed(f"{folder} has files already. Restore to empty folders.")
    for name, ring in keys.rings.items():
        file = settings.keys / name
        if file.exists() and file.read_text() != ring:
            raise BackupFailed(f"{file} has other keys than the backup. Move it away.")
    folder = settings.folders["workspaces"]
    if (free := shutil.disk_usage(folder).free) < keys.unpacked_bytes:
        raise BackupFailed(f"The backup needs {keys.unpacked_bytes / 1e6:,.0f} MB, and {folder} has {free / 1e6:,.0f}.")


@contextmanager
def _locked(settings: BackupSettings) -> Generator[DataFolder | None]:
    """Yield the locked data folder, which no system can use before the block has ended without an error."""
    if not settings.uses_data_dir:
        yield None
        return
    folder = DataFolder(settings.data_dir, restoring=True)
    try:
        _claim(folder.path)
        yield folder
        os.sync()
        (folder.path / UNFINISHED_RESTORE).unlink()
    finally:
        folder.close()


def _claim(folder: Path) -> None:
    """Mark a data folder as one that is being restored, and remove what an interrupted restore has left."""
    if not (folder / UNFINISHED_RESTORE).exists():
        if has_files(folder):
            raise BackupFailed(f"{folder} has data already. Restore to an empty DATA_DIR.")
        (folder / UNFINISHED_RESTORE).touch()
        return
    report(f"Removing what an interrupted restore left in {folder}")
    for entry in folder.iterdir():
        if entry.name not in IGNORED:
            erase(entry)


@contextmanager
def _database(settings: BackupSettings, folder: DataFolder | None) -> Generator[Source]:
    if settings.url:
        yield Source(settings.url)
        return
    server = EmbeddedPostgres(folder or DataFolder(settings.data_dir), bindir=settings.pg_bindir)
    try:
        yield Source(server.start())
    finally:
        server.stop()


def has_files(folder: Path) -> bool:
    """Return whether a folder has anything but empty folders, except in those that every data folder has."""
    for path, folders, files in os.walk(folder):
        if Path(path) == folder:
            folders[:] = [name for name in folders if name not in IGNORED]
        if files:
            return True
    return False

"""Checks that all replicas use the same folders: each contains a file with the id that the database has for it.

The folders are closed to other accounts of the machine, whatever the modes of the files are that agents create in them.
"""

import stat
from asyncio import to_thread
from contextlib import suppress
from pathlib import Path

from eventing.database import Database
from runtime import clock
from runtime.logging import get_logger
from runtime.starting import CannotStart

log = get_logger()

FILE = ".folder_id"
FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
CLAIM = "INSERT INTO shared_folders (setting, id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"
SET_ID = "UPDATE shared_folders SET id = $2 WHERE setting = $1"
ID = "SELECT id FROM shared_folders WHERE setting = $1"


async def check_shared(setting: str, folder: Path, database: Database) -> None:
    """Check that a folder, the value of a setting, is the one that other replicas use. The first one marks it.

    The folder is closed to other accounts, if it belongs to this one.

    Raises:
        CannotStart: it is another folder, or cannot be used.
    """
    new_id = str(clock.new_id())
    try:
        # Replicas that start at the same time wait for the first one, which commits when the file is written.
        async with database.transaction() as connection:
            if await connection.fetchval(CLAIM, setting, new_id):
                await connection.execute(SET_ID, setting, await to_thread(_marked, folder, new_id))
        expected, found = await database.fetchval(ID, setting), await to_thread(_read, folder)
    except OSError as error:
        raise CannotStart(f"{setting}={folder}: {error.strerror}. Correct the folder, or {setting}.") from None
    if found != expected:
        what = f'contains "{found}"' if found else "is missing or empty"
        raise CannotStart(
            f"{setting}={folder}: this is not the folder that this service has used before: its file {FILE} {what}, "
            f'and should contain "{expected}". All replicas must share one folder. Mount it there; or, if its files '
            "were moved or restored to this one, write that id to the file."
        )
    await to_thread(_close_to_others, folder)


def _close_to_others(folder: Path) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not mode & FOR_OTHERS:
        return
    try:
        folder.chmod(mode & ~FOR_OTHERS)
    except OSError as error:  # it belongs to another account, as volumes of a cluster do
        log.warning("folder is open to other accounts", folder=str(folder), mode=f"{mode:o}", error=error.strerror)


def check_mounted(folder: Path) -> None:
    """Check that a folder which `check_shared` has checked is still there, and not the empty one that it is mounted on.

    Raises:
        FileNotFoundError: it is not.
    """
    (folder / FILE).lstat()


def _marked(folder: Path, id: str) -> str:
    """Return the id of a folder, which is `id` from now on if it has none."""
    folder.mkdir(parents=True, exist_ok=True)
    if found := _read(folder):
        return found
    unfinished = folder / f"{FILE}.new"
    unfinished.write_text(f"{id}\n")
    unfinished.rename(folder / FILE)  # atomic: the file is complete or does not exist
    return id


def _read(folder: Path) -> str:
    with suppress(FileNotFoundError):
        return (folder / FILE).read_text(errors="replace").strip()[:100]
    return ""

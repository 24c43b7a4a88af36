"""Handlers of queries about archives."""

import asyncio

from contracts.files import FilePart
from contracts.refusals import Code, Refusal
from contracts.session.archive import CONTENT_TYPES, ArchiveView, GetArchive, ReadArchive
from eventing.handling import Handlers
from eventing.handling.reading import Filters
from runtime.files.parts import read_part

from session.dependencies import Context
from session.queries.tables import ARCHIVES, visible
from session.workspace import SUFFIX

COLUMNS = ", ".join(name for name in ArchiveView.model_fields if name != "archive_path")

answers = Handlers()


@answers
async def get_archive(query: GetArchive, context: Context) -> ArchiveView:
    """Return the archive of a session."""
    await visible(query.session_id, context)
    rows, _ = await ARCHIVES.first(COLUMNS, 1, Filters(session_id=query.session_id), context)
    if not rows:
        raise Refusal(Code.ARCHIVE_NOT_FOUND, f"Session {query.session_id} has no archive.")
    path = f"/archives/{rows[0]['archive_id']}{SUFFIX[rows[0]['compression']]}"
    return ArchiveView.model_validate({**rows[0], "archive_path": path})


@answers
async def read_archive(query: ReadArchive, context: Context) -> FilePart:
    """Return a part of a session's archive."""
    archive = await get_archive(GetArchive(session_id=query.session_id), context)
    if archive.status != "ready":
        raise Refusal(Code.SESSION_NOT_READY, "The archive is still being packed or unpacked; try again shortly.")
    path = context.dependencies.archive(query.session_id, archive.archive_id, archive.compression)
    return await asyncio.to_thread(read_part, path, query, CONTENT_TYPES[archive.compression])

"""What is answered about archives."""

import asyncio

from contracts.refusals import Code, Refusal
from contracts.session.archive import ArchiveView, GetArchive, ReadArchive
from contracts.session.workspace import FilePart
from eventing.handling import Handlers

from session.queries.tables import visible
from session.tools import Context
from session.workspace import SUFFIX, read_part

answers = Handlers()


@answers
async def get_archive(query: GetArchive, context: Context) -> ArchiveView:
    """Give the archive of a session."""
    await visible(query.session_id, context)
    row = await context.database.fetchrow(
        "SELECT session_id, archive_id, status, compression, archive_size_bytes, file_count, left_out, created_at "
        "FROM archives WHERE session_id = $1",
        query.session_id,
    )
    if row is None:
        raise Refusal(Code.ARCHIVE_NOT_FOUND, f"Session {query.session_id} has no archive.")
    path = f"/archives/{row['archive_id']}{SUFFIX[row['compression']]}"
    return ArchiveView.model_validate({**row, "archive_path": path})


@answers
async def read_archive(query: ReadArchive, context: Context) -> FilePart:
    """Give a part of the archive of a session."""
    archive = await get_archive(GetArchive(session_id=query.session_id), context)
    if archive.status != "ready":
        raise Refusal(Code.SESSION_NOT_READY, "The archive is still being packed or unpacked; try again shortly.")
    path = context.tools.archive(query.session_id, archive.archive_id, archive.compression)
    return await asyncio.to_thread(read_part, path, query.offset, query.length, query.etag)

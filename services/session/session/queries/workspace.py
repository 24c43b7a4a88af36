"""Handlers of queries about files."""

import asyncio
from uuid import UUID

from contracts.files import FilePart
from contracts.refusals import Code, Refusal
from contracts.session.workspace import FilesPage, ListFiles, ReadFile
from eventing.handling import Handlers

from session.dependencies import Context
from session.queries.tables import visible
from session.workspace import Workspace

answers = Handlers()


@answers
async def list_files(query: ListFiles, context: Context) -> FilesPage:
    """Return the files of a session's workspace."""
    files = await _files(query.session_id, context)
    return await asyncio.to_thread(files.listing, query.skip, query.limit)


@answers
async def read_file(query: ReadFile, context: Context) -> FilePart:
    """Return a part of a file of the workspace."""
    files = await _files(query.session_id, context)
    return await asyncio.to_thread(files.read, query.path, query)


async def _files(session_id: UUID, context: Context) -> Workspace:
    session = await visible(session_id, context)
    if session["status"] == "archived":
        raise Refusal(Code.SESSION_ARCHIVED, "The session is archived.")
    if not session["ready"]:
        raise Refusal(Code.SESSION_NOT_READY, session["error_detail"] or "The session is still being copied.")
    return context.dependencies.files(session_id)

"""What is done about files; nothing of it is an event, so no session is held meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from contracts.refusals import Refusal
from contracts.session.workspace import DeleteFile, FileWritten, UploadPart, WriteFile
from eventing.handling import Handlers

from session.aggregate import Session
from session.dependencies import Work
from session.workspace import Workspace

handles = Handlers()


@handles
async def upload_part(command: UploadPart, work: Work) -> None:
    """Put a part of a file aside."""
    async with _open_files(command.session_id, work) as files:
        await asyncio.to_thread(files.uploads.put, command.upload_id, command.offset, command.data)


@handles
async def write_file(command: WriteFile, work: Work) -> FileWritten:
    """Write a file into the workspace."""
    async with _open_files(command.session_id, work) as files:
        return await work.dependencies.writing.run(files.write, command.path, command.upload_id, command.size)


@handles
async def delete_file(command: DeleteFile, work: Work) -> None:
    """Remove a file from the workspace."""
    async with _open_files(command.session_id, work) as files:
        await work.dependencies.blocking.run(files.delete, command.path)


@asynccontextmanager
async def _open_files(session_id: UUID, work: Work) -> AsyncGenerator[Workspace]:
    """Give the files of a session that is open, and still is when they are changed.

    Else another replica has packed or removed them meanwhile, and the change may be lost: it was not made.
    """
    (await work.read_visible(Session, session_id)).check_ready()
    files = work.dependencies.files(session_id)
    yield files
    try:
        session = await work.read_visible(Session, session_id)
    except Refusal:
        await work.dependencies.blocking.run(files.remove)
        raise
    session.check_ready()

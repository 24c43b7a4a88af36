"""Handlers of commands about files. They record no events, and do not lock the session."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID, uuid5

from contracts.refusals import Refusal
from contracts.session.workspace import DeleteFile, DiscardUpload, FileWritten, UploadPart, WriteFile
from eventing.handling import Handlers

from session.aggregate import Session
from session.dependencies import Work
from session.workspace import Workspace

handles = Handlers()


@handles
async def upload_part(command: UploadPart, work: Work) -> None:
    """Store a part of an upload."""
    async with _open_files(command.session_id, work) as files:
        await asyncio.to_thread(files.uploads.put, command.upload_id, command.offset, command.data)


@handles
async def discard_upload(command: DiscardUpload, work: Work) -> None:
    """Remove the parts of an upload."""
    async with _open_files(command.session_id, work) as files:
        await asyncio.to_thread(files.uploads.forget, command.upload_id)


@handles
async def write_file(command: WriteFile, work: Work) -> FileWritten:
    """Move an upload into the workspace, within the quota of the session's owner."""
    await _lock_sizes(command.session_id, work)
    async with _open_files(command.session_id, work) as files:
        writing, storage = work.dependencies.writing, work.dependencies.storage
        await storage.measure(command.session_id, lambda: writing.run(files.size), again=False)
        growth = await writing.run(files.growth, command.path, command.size)
        try:
            async with storage.growth(command.session_id, growth, work.actor):
                return await writing.run(files.write, command.path, command.upload_id, command.size, command)
        finally:
            await asyncio.to_thread(files.uploads.forget, command.upload_id)


@handles
async def delete_file(command: DeleteFile, work: Work) -> None:
    """Delete a file of the workspace."""
    await _lock_sizes(command.session_id, work)
    async with _open_files(command.session_id, work) as files:
        size = await work.dependencies.blocking.run(files.delete, command.path, command)
        async with work.dependencies.storage.growth(command.session_id, -size, work.actor):
            pass


async def _lock_sizes(session_id: UUID, work: Work) -> None:
    """Let one command at a time compare and change sizes: two that replace one file would both count its bytes."""
    await work.lock(uuid5(session_id, "sizes of files"))


@asynccontextmanager
async def _open_files(session_id: UUID, work: Work) -> AsyncGenerator[Workspace]:
    """Yield the workspace of a session, and check that the session was ready before and after the change.

    Otherwise another replica may have packed or deleted the files meanwhile, so that the change may be lost: it is
    reported as failed.
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

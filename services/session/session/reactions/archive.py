"""Packs the workspace of a session that is archived, and unpacks it again."""

import asyncio
from contextlib import suppress
from typing import Literal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.archive import (
    ArchiveRequested,
    ArchiveView,
    CompleteArchive,
    CompleteUnarchive,
    FailArchive,
    FailUnarchive,
    GetArchive,
    UnarchiveRequested,
)
from eventing.reactions import Reaction, Reactions, Unfinished
from eventing.recording import Recorded

from session.reactions.session import forget_if_deleted
from session.tools import Tools
from session.workspace import Copied, NotStored, described, stored

PACKED_AT_ONCE = 2
LOST = "The service could not bring it to its end."

PACKING = "SELECT session_id AS aggregate, archive_id AS work FROM archives WHERE status = 'packing'"
UNPACKING = "SELECT session_id AS aggregate, archive_id AS work FROM archives WHERE status = 'unpacking'"

reactions = Reactions()


def _archive_id(recorded: Recorded[ArchiveRequested | UnarchiveRequested]) -> UUID:
    return recorded.fact.archive_id


@reactions.everywhere
async def end_archived_agent(recorded: Recorded[ArchiveRequested], reaction: Reaction[Tools]) -> None:
    """End the agent of an archived session, in whichever replica it lives.

    The event may be an old one that is told again: the session may have been opened since, and its agent be at work.
    """
    with suppress(Refusal):  # of a session that is gone, as is its agent
        if await _archive(recorded.id, recorded.fact.archive_id, reaction):
            reaction.tools.agents.call_off(recorded.id)


async def end_lost_packing(recorded: Recorded[ArchiveRequested], reaction: Reaction[Tools]) -> None:
    """End the packing at which worker after worker failed: if the archive is there it counts, else the files do.

    Fails, and so is tried again, when the archive cannot be read: then nobody knows which of them is whole.
    """
    session_id, fact, tools = recorded.id, recorded.fact, reaction.tools
    path = tools.archive(session_id, fact.archive_id, fact.compression)
    try:
        if not await _stands(session_id, fact.archive_id, "packing", reaction):
            return
        try:
            size_bytes = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            await _fail_archive(session_id, fact.archive_id, Code.STORAGE_FAILED, LOST, reaction)
            return
        packed = await stored(tools.lasting.do(described, path))
        with suppress(NotStored):  # what cannot be removed is replaced when the archive is unpacked
            await stored(tools.lasting.do(tools.files(session_id).remove))
        await _complete_archive(session_id, fact.archive_id, size_bytes, packed, reaction)
    except Refusal as refusal:
        await forget_if_deleted(refusal, session_id, tools)


@reactions.once(at_once=PACKED_AT_ONCE, lost=end_lost_packing, unfinished=Unfinished(PACKING, _archive_id))
async def pack_workspace(recorded: Recorded[ArchiveRequested], reaction: Reaction[Tools]) -> None:
    """Pack the workspace of an archived session, then remove it; done again, it changes nothing."""
    session_id, fact, tools = recorded.id, recorded.fact, reaction.tools
    path, files = tools.archive(session_id, fact.archive_id, fact.compression), tools.files(session_id)
    try:
        if not await _stands(session_id, fact.archive_id, "packing", reaction):
            return
        await tools.agents.close(session_id)
        try:
            packed = await stored(tools.lasting.do(files.pack, path, fact.compression))
        except NotStored as failure:
            await _fail_archive(session_id, fact.archive_id, failure.code, failure.detail, reaction)
            return
        if not await _stands(session_id, fact.archive_id, "packing", reaction):
            return
        size_bytes = path.stat().st_size
        await tools.lasting.do(files.remove)
        await _complete_archive(session_id, fact.archive_id, size_bytes, packed, reaction)
    except Refusal as refusal:
        await forget_if_deleted(refusal, session_id, tools)


async def _complete_archive(
    session_id: UUID, archive_id: UUID, size_bytes: int, packed: Copied, reaction: Reaction[Tools]
) -> None:
    await reaction.send(
        CompleteArchive(
            session_id=session_id,
            archive_id=archive_id,
            size_bytes=size_bytes,
            file_count=packed.files,
            left_out=packed.left_out,
        )
    )


async def _fail_archive(session_id: UUID, archive_id: UUID, code: Code, detail: str, reaction: Reaction[Tools]) -> None:
    failed = FailArchive(session_id=session_id, archive_id=archive_id, error_code=code, error_detail=detail)
    await reaction.send(failed)


async def fail_lost_unpacking(recorded: Recorded[UnarchiveRequested], reaction: Reaction[Tools]) -> None:
    """Leave a session archived at which worker after worker failed; its archive is still there."""
    try:
        await _fail_unarchive(recorded.id, recorded.fact.archive_id, Code.STORAGE_FAILED, LOST, reaction)
    except Refusal as refusal:
        await forget_if_deleted(refusal, recorded.id, reaction.tools)


@reactions.once(at_once=PACKED_AT_ONCE, lost=fail_lost_unpacking, unfinished=Unfinished(UNPACKING, _archive_id))
async def unpack_workspace(recorded: Recorded[UnarchiveRequested], reaction: Reaction[Tools]) -> None:
    """Unpack the workspace of a session, then remove the archive; done again, it changes nothing."""
    session_id, archive_id, tools = recorded.id, recorded.fact.archive_id, reaction.tools
    files = tools.files(session_id)
    try:
        archive = await _stands(session_id, archive_id, "unpacking", reaction)
        if not archive:
            return
        path = tools.archive(session_id, archive_id, archive.compression)
        try:
            unpacked = await stored(tools.lasting.do(files.unpack, path))
            if not await _stands(session_id, archive_id, "unpacking", reaction):
                await tools.lasting.do(files.tidy)
                return
            await stored(tools.lasting.do(files.replace, unpacked))
        except NotStored as failure:
            await _fail_unarchive(session_id, archive_id, failure.code, failure.detail, reaction)
            return
        await reaction.send(CompleteUnarchive(session_id=session_id, archive_id=archive_id))
        await asyncio.to_thread(path.unlink, missing_ok=True)
    except Refusal as refusal:
        await forget_if_deleted(refusal, session_id, tools)


async def _fail_unarchive(
    session_id: UUID, archive_id: UUID, code: Code, detail: str, reaction: Reaction[Tools]
) -> None:
    failed = FailUnarchive(session_id=session_id, archive_id=archive_id, error_code=code, error_detail=detail)
    await reaction.send(failed)


async def _stands(
    session_id: UUID, archive_id: UUID, status: Literal["packing", "unpacking"], reaction: Reaction[Tools]
) -> ArchiveView | None:
    """Give the archive if that is still to be done; another worker may have been faster."""
    archive = await _archive(session_id, archive_id, reaction)
    return archive if archive and archive.status == status else None


async def _archive(session_id: UUID, archive_id: UUID, reaction: Reaction[Tools]) -> ArchiveView | None:
    """Return the archive if it is the one that the session has now."""
    try:
        archive = await reaction.ask(GetArchive(session_id=session_id))
    except Refusal as refusal:
        if refusal.code is Code.ARCHIVE_NOT_FOUND:
            return None
        raise
    return archive if archive.archive_id == archive_id else None

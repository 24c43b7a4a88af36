"""Packs the workspace of a session that is archived, and unpacks it again."""

import asyncio
from typing import Literal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.archives import (
    ArchiveRequested,
    ArchiveView,
    CompleteArchive,
    CompleteUnarchive,
    FailArchive,
    FailUnarchive,
    GetArchive,
    UnarchiveRequested,
)
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from session.tools import Tools
from session.workspace import NotStored, erase, stored

PACKED_AT_ONCE = 2

reactions = Reactions()


@reactions.everywhere
async def end_archived_agent(recorded: Recorded[ArchiveRequested], reaction: Reaction[Tools]) -> None:
    """End the agent of an archived session, in whichever replica it lives."""
    reaction.tools.agents.call_off(recorded.id)


@reactions.once(at_once=PACKED_AT_ONCE)
async def pack_workspace(recorded: Recorded[ArchiveRequested], reaction: Reaction[Tools]) -> None:
    """Pack the workspace of an archived session, then remove it; done again, it changes nothing."""
    session_id, fact, tools = recorded.id, recorded.fact, reaction.tools
    await tools.agents.close(session_id)
    path, files = tools.archive(session_id, fact.archive_id, fact.compression), tools.files(session_id)
    try:
        if not await _stands(session_id, fact.archive_id, "packing", reaction):
            return
        try:
            packed = await stored(tools.lasting.do(files.pack, path, fact.compression))
        except NotStored as failure:
            await reaction.send(
                FailArchive(
                    session_id=session_id,
                    archive_id=fact.archive_id,
                    error_code=failure.code,
                    error_detail=failure.detail,
                )
            )
            return
        if not await _stands(session_id, fact.archive_id, "packing", reaction):
            return
        size_bytes = path.stat().st_size
        await tools.lasting.do(files.remove)
        await reaction.send(
            CompleteArchive(
                session_id=session_id,
                archive_id=fact.archive_id,
                size_bytes=size_bytes,
                file_count=packed.files,
                left_out=packed.left_out,
            )
        )
    except Refusal:  # the session was deleted meanwhile
        await tools.lasting.do(files.remove)
        await tools.lasting.do(erase, path.parent)


@reactions.once(at_once=PACKED_AT_ONCE)
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
            await reaction.send(
                FailUnarchive(
                    session_id=session_id,
                    archive_id=archive_id,
                    error_code=failure.code,
                    error_detail=failure.detail,
                )
            )
            return
        await reaction.send(CompleteUnarchive(session_id=session_id, archive_id=archive_id))
        await asyncio.to_thread(path.unlink, missing_ok=True)
    except Refusal:  # the session was deleted meanwhile
        await tools.lasting.do(files.remove)


async def _stands(
    session_id: UUID, archive_id: UUID, status: Literal["packing", "unpacking"], reaction: Reaction[Tools]
) -> ArchiveView | None:
    """Give the archive if that is still to be done; another worker may have been faster."""
    try:
        archive = await reaction.ask(GetArchive(session_id=session_id))
    except Refusal as refusal:
        if refusal.code is Code.ARCHIVE_NOT_FOUND:
            return None
        raise
    return archive if (archive.archive_id, archive.status) == (archive_id, status) else None

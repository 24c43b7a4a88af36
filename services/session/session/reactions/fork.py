"""Makes a fork what it is to be."""

from contextlib import suppress
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.fork import CompleteFork, FailFork, SessionForked
from contracts.session.session import GetSession
from eventing.reactions import Reaction, Reactions, Unfinished
from eventing.recording import Recorded

from session.agent.transcript import COPIES_AT_ONCE
from session.reactions.archive import LOST
from session.reactions.session import forget_if_deleted
from session.tools import Tools
from session.workspace import NotStored, stored

UNFINISHED = "SELECT id AS aggregate, id AS work FROM sessions WHERE NOT ready AND status = 'created'"
"""Only a fork that is being copied is so; one that is archived later is not ready either, and has another status."""

reactions = Reactions()


def _fork_id(recorded: Recorded[SessionForked]) -> UUID:
    return recorded.id


async def fail_lost_copy(recorded: Recorded[SessionForked], reaction: Reaction[Tools]) -> None:
    """Fail a fork at which worker after worker failed; files that cannot be removed stay until it is deleted."""
    fork_id = recorded.id
    try:
        await reaction.send(FailFork(session_id=fork_id, error_code=Code.STORAGE_FAILED, error_detail=LOST))
        if (await reaction.ask(GetSession(session_id=fork_id))).ready:  # another worker was faster
            return
    except Refusal as refusal:
        await forget_if_deleted(refusal, fork_id, reaction.tools)
        return
    with suppress(NotStored):
        await stored(reaction.tools.lasting.do(reaction.tools.files(fork_id).remove))
    await reaction.tools.transcripts.delete_session(fork_id)


@reactions.once(at_once=COPIES_AT_ONCE, lost=fail_lost_copy, unfinished=Unfinished(UNFINISHED, _fork_id))
async def copy_parent(recorded: Recorded[SessionForked], reaction: Reaction[Tools]) -> None:
    """Copy the conversation and the workspace that a fork begins with; done again, it changes nothing."""
    fork_id, fact, tools = recorded.id, recorded.fact, reaction.tools
    parent, fork = tools.files(fact.parent_session_id), tools.files(fork_id)
    show = GetSession(session_id=fork_id)
    try:
        session = await reaction.ask(show)
        if session.ready or session.error_code:
            return
        await tools.transcripts.copy(fact.parent_session_id, fork_id, len(fact.message_ids))
        try:
            copied = await stored(tools.lasting.do(parent.copy_to, fork))
            await _check_whole(fact.parent_session_id, reaction)
        except NotStored as failure:
            await reaction.send(FailFork(session_id=fork_id, error_code=failure.code, error_detail=failure.detail))
            if not (await reaction.ask(show)).ready:  # else another worker was faster, and all is well
                await tools.lasting.do(fork.remove)
        else:
            await reaction.send(CompleteFork(session_id=fork_id, file_count=copied.files, left_out=copied.left_out))
    except Refusal as refusal:
        await forget_if_deleted(refusal, fork_id, tools)


async def _check_whole(parent_id: UUID, reaction: Reaction[Tools]) -> None:
    """Make sure that nobody took the parent's files away while they were copied."""
    try:
        parent = await reaction.ask(GetSession(session_id=parent_id))
    except Refusal as refusal:
        raise NotStored(refusal.code, "The session was deleted before it was copied.") from refusal
    if parent.status == "archived":
        raise NotStored(Code.SESSION_ARCHIVED, "The session was archived before it was copied.")

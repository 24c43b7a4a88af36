"""Tidies up after a session."""

from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.session import SessionDeleted
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from session.tools import Tools
from session.workspace import erase

reactions = Reactions()


@reactions.everywhere
async def end_agent(recorded: Recorded[SessionDeleted], reaction: Reaction[Tools]) -> None:
    """End the agent of a deleted session, in whichever replica it lives."""
    reaction.tools.agents.call_off(recorded.id)


@reactions.once()
async def remove_traces(recorded: Recorded[SessionDeleted], reaction: Reaction[Tools]) -> None:
    """Remove the workspace and the agent's memory of a deleted session."""
    await forget(recorded.id, reaction.tools)


async def forget_if_deleted(refusal: Refusal, session_id: UUID, tools: Tools) -> None:
    """Remove what a worker made for a session that it finds deleted.

    Raises:
        Refusal: that is not why it was refused; nothing is removed.
    """
    if refusal.code is not Code.SESSION_NOT_FOUND:
        raise refusal
    await forget(session_id, tools)


async def forget(session_id: UUID, tools: Tools) -> None:
    """Remove all that a deleted session has left; a worker that was late does so again."""
    await tools.agents.close(session_id)
    await tools.lasting.do(tools.files(session_id).remove)
    await tools.lasting.do(erase, tools.archives / str(session_id))
    await tools.transcripts.delete_session(session_id)

"""Tidies up after a session."""

from contracts.session.events import SessionDeleted
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
    await reaction.tools.agents.close(recorded.id)
    await reaction.tools.lasting.do(reaction.tools.files(recorded.id).remove)
    await reaction.tools.lasting.do(erase, reaction.tools.archives / str(recorded.id))
    await reaction.tools.transcripts.delete_session(recorded.id)

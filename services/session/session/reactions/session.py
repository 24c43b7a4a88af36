"""Cleans up after sessions, and what all jobs on their files have in common."""

from typing import ClassVar
from uuid import UUID

from contracts.messages import Event
from contracts.refusals import Code, Refusal
from contracts.session.session import GetSession, SessionDeleted
from eventing.jobs import Job
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded
from runtime.files.erasing import erase

from session.tools import Tools
from session.workspace import Workspace

reactions = Reactions()


@reactions.broadcast("end_agent")
async def end_agent(recorded: Recorded[SessionDeleted], reaction: Reaction[Tools]) -> None:
    """End the agent of a deleted session, in whichever replica it lives."""
    reaction.tools.agents.call_off(recorded.id)


@reactions.shared("remove_traces")
async def remove_traces(recorded: Recorded[SessionDeleted], reaction: Reaction[Tools]) -> None:
    """Remove the workspace and the agent's memory of a deleted session."""
    await forget(recorded.id, reaction.tools)


async def forget(session_id: UUID, tools: Tools) -> None:
    """Remove all that a deleted session has left; a worker that was late does so again."""
    await tools.agents.close(session_id)
    await tools.blocking.run(tools.files(session_id).remove)
    await tools.blocking.run(erase, tools.archives / str(session_id))
    await tools.transcripts.delete_session(session_id)


class SessionJob[E: Event](Job[Tools, E]):
    """A job on the files of a session."""

    given_up: ClassVar = Code.STORAGE_FAILED

    @property
    def session_id(self) -> UUID:
        """The session that the job belongs to."""
        return self.recorded.id

    @property
    def files(self) -> Workspace:
        """The workspace of the session."""
        return self.tools.files(self.session_id)

    async def discard(self) -> None:
        """Remove what was made for a session that was deleted meanwhile."""
        try:
            await self.reaction.ask(GetSession(session_id=self.session_id))
        except Refusal as refusal:
            if refusal.code is not Code.SESSION_NOT_FOUND:
                raise
            await forget(self.session_id, self.tools)

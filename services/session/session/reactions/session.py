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

from session.dependencies import Dependencies
from session.workspace import Workspace

reactions = Reactions()


@reactions.broadcast("end_agent")
async def end_agent(recorded: Recorded[SessionDeleted], reaction: Reaction[Dependencies]) -> None:
    """End the agent of a deleted session, in whichever replica it lives."""
    reaction.dependencies.agents.call_off(recorded.id)


@reactions.shared("remove_traces")
async def remove_traces(recorded: Recorded[SessionDeleted], reaction: Reaction[Dependencies]) -> None:
    """Remove the workspace and the agent's memory of a deleted session."""
    await forget(recorded.id, reaction.dependencies)


async def forget(session_id: UUID, dependencies: Dependencies) -> None:
    """Remove all that a deleted session has left; a worker that was late does so again."""
    await dependencies.agents.close(session_id)
    await dependencies.blocking.run(dependencies.files(session_id).remove)
    await dependencies.blocking.run(erase, dependencies.archives / str(session_id))
    await dependencies.transcripts.delete_session(session_id)


class SessionJob[E: Event](Job[Dependencies, E]):
    """A job on the files of a session."""

    give_up_code: ClassVar = Code.STORAGE_FAILED

    @property
    def session_id(self) -> UUID:
        """The session that the job belongs to."""
        return self.recorded.id

    @property
    def files(self) -> Workspace:
        """The workspace of the session."""
        return self.dependencies.files(self.session_id)

    async def discard(self) -> None:
        """Remove what was made for a session that was deleted meanwhile."""
        try:
            await self.reaction.ask(GetSession(session_id=self.session_id))
        except Refusal as refusal:
            if refusal.code is not Code.SESSION_NOT_FOUND:
                raise
            await forget(self.session_id, self.dependencies)

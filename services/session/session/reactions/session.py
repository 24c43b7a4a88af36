"""Removes the data of deleted sessions, and defines the base of all jobs on session files."""

from typing import ClassVar
from uuid import UUID

from contracts.messages import Event
from contracts.refusals import Code, Refusal
from contracts.session.session import GetSession, SessionDeleted, SessionPaused
from eventing.reactions import Reaction, Reactions
from eventing.reactions.jobs import Job, JobFailed
from eventing.recording import Recorded
from eventing.retrying import retry_transient
from runtime.files.erasing import erase

from session.dependencies import Dependencies
from session.workspace import Workspace

reactions = Reactions()


@reactions.broadcast("end_agent")
async def end_agent(recorded: Recorded[SessionDeleted], reaction: Reaction[Dependencies]) -> None:
    """End the agent of a deleted session, in whichever replica it runs."""
    reaction.dependencies.agents.cancel(recorded.id)


@reactions.broadcast("end_idle_agent")
async def end_idle_agent(recorded: Recorded[SessionPaused], reaction: Reaction[Dependencies]) -> None:
    """End the agent of a paused session as soon as it is idle."""
    reaction.dependencies.agents.end_when_idle(recorded.id)


@reactions.persistent("remove_traces")
async def remove_traces(recorded: Recorded[SessionDeleted], reaction: Reaction[Dependencies]) -> None:
    """Remove the workspace, archives and transcript of a deleted session.

    Raises:
        OSError: the folders are not available, or something in them cannot be removed.
    """
    await remove_session_data(recorded.id, reaction.dependencies)
    await reaction.dependencies.check_folders()


async def remove_session_data(session_id: UUID, dependencies: Dependencies) -> None:
    """Remove all data of a deleted session; a late worker does so again."""
    await dependencies.agents.close(session_id)
    await dependencies.transcripts.delete_session(session_id)
    await dependencies.blocking.run(dependencies.files(session_id).remove)
    await dependencies.blocking.run(erase, dependencies.archives / str(session_id))


async def discard_if_deleted(session_id: UUID, reaction: Reaction[Dependencies]) -> None:
    """Remove the data of a session that was deleted while they were created."""
    try:
        await reaction.ask(GetSession(session_id=session_id))
    except Refusal as refusal:
        if refusal.code is not Code.SESSION_NOT_FOUND:
            raise
        await remove_session_data(session_id, reaction.dependencies)


async def measure_storage(session_id: UUID, dependencies: Dependencies) -> None:
    """Store what the workspace of a session occupies, because its agent may have changed it."""
    files = dependencies.files(session_id)
    files.changed()
    storage, writing = dependencies.storage, dependencies.writing
    await retry_transient(lambda: storage.measure(session_id, lambda: writing.run(files.size)))


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

    async def reserve_total(self, size_bytes: int) -> None:
        """Count the bytes that the files of the session will have, until the job has ended, unless they have more now.

        Raises:
            JobFailed: the user's quota would be exceeded.
        """
        storage, actor = self.dependencies.storage, self.recorded.envelope.actor
        try:
            await retry_transient(lambda: storage.reserve_total(self.session_id, size_bytes, actor))
        except Refusal as refusal:
            if refusal.code is not Code.QUOTA_EXCEEDED:
                raise
            raise JobFailed(refusal.code, refusal.detail) from refusal

    async def discard(self) -> None:
        """Remove what was created if the session was deleted meanwhile."""
        await discard_if_deleted(self.session_id, self.reaction)

"""Copies the data of a fork from its parent."""

from contextlib import suppress
from typing import ClassVar

from contracts.refusals import Code, Refusal
from contracts.session.fork import CompleteFork, FailFork, SessionForked
from contracts.session.session import GetSession
from eventing.reactions import Reactions, UnfinishedWork
from eventing.reactions.jobs import JobFailed, job

from session.agent.transcript import COPIES_AT_ONCE
from session.reactions.session import SessionJob
from session.workspace import StorageFailed, convert_storage_errors

UNFINISHED = "SELECT id AS aggregate, id AS work FROM sessions WHERE NOT ready AND status = 'created'"
"""Matches only a fork that is being copied: one that is archived later is not ready either, but has another status."""

reactions = Reactions()


@job(reactions, "copy_parent", concurrency=COPIES_AT_ONCE)
class CopyParent(SessionJob[SessionForked]):
    """Copies the conversation and the workspace of the parent to a fork."""

    unfinished: ClassVar = UnfinishedWork(UNFINISHED, lambda recorded: recorded.id)

    async def work(self) -> None:
        """Copy the conversation and the files, and complete the fork."""
        parent_id, fork_id, dependencies = self.event.parent_session_id, self.session_id, self.dependencies
        messages = len(self.event.message_ids)
        await dependencies.transcripts.copy(parent_id, fork_id, messages)
        await dependencies.copied_work.copy(parent_id, fork_id, messages)
        copied = await convert_storage_errors(
            dependencies.blocking.run(dependencies.files(parent_id).copy_to, self.files)
        )
        await self._check_parent()
        size_bytes = await dependencies.blocking.run(self.files.size)
        await self.reserve_total(size_bytes)
        completed = CompleteFork(
            session_id=fork_id, file_count=copied.files, left_out=copied.left_out, size_bytes=size_bytes
        )
        await self.reaction.send(completed)

    async def fail(self, failure: JobFailed) -> None:
        """Fail the fork and remove what was copied; files that cannot be removed stay until the fork is deleted."""
        fork_id, dependencies = self.session_id, self.dependencies
        await self.reaction.send(FailFork(session_id=fork_id, error_code=failure.code, error_detail=failure.detail))
        if (await self.reaction.ask(GetSession(session_id=fork_id))).ready:  # another worker was faster
            return
        with suppress(StorageFailed):
            await convert_storage_errors(dependencies.blocking.run(self.files.remove))
        await dependencies.transcripts.delete_session(fork_id)

    async def _check_parent(self) -> None:
        """Check that the parent still existed after the copy.

        Raises:
            JobFailed: the parent was deleted or archived meanwhile.
        """
        try:
            parent = await self.reaction.ask(GetSession(session_id=self.event.parent_session_id))
        except Refusal as refusal:
            raise JobFailed(refusal.code, "The session was deleted before the copy was complete.") from refusal
        if parent.status == "archived":
            raise JobFailed(Code.SESSION_ARCHIVED, "The session was archived before the copy was complete.")

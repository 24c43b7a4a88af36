"""Packs the workspace of an archived session, and unpacks it again."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.archive import (
    ArchiveRequested,
    CompleteArchive,
    CompleteUnarchive,
    FailArchive,
    FailUnarchive,
    GetArchive,
    UnarchiveRequested,
)
from eventing.reactions import Reaction, Reactions, UnfinishedWork
from eventing.reactions.jobs import JobFailed, JobNotWanted, job
from eventing.recording import Recorded

from session.dependencies import Dependencies
from session.reactions.session import SessionJob
from session.workspace import CopyResult, StorageFailed, convert_storage_errors, held, summarize_archive

PACKED_AT_ONCE = 2

PACKING = "SELECT session_id AS aggregate, archive_id AS work FROM archives WHERE status = 'packing'"
UNPACKING = "SELECT session_id AS aggregate, archive_id AS work FROM archives WHERE status = 'unpacking'"

reactions = Reactions()


def _archive_id(recorded: Recorded[ArchiveRequested | UnarchiveRequested]) -> UUID:
    return recorded.event.archive_id


@reactions.broadcast("end_archived_agent")
async def end_archived_agent(recorded: Recorded[ArchiveRequested], reaction: Reaction[Dependencies]) -> None:
    """End the agent of an archived session, in whichever replica it runs.

    An old event may be redelivered after the session was resumed and its agent is running again, so the event is
    compared with the current archive.
    """
    with suppress(Refusal):  # the session or its archive was deleted
        archive = await reaction.ask(GetArchive(session_id=recorded.id))
        if archive.archive_id == recorded.event.archive_id:
            reaction.dependencies.agents.cancel(recorded.id)


@job(reactions, "pack_workspace", concurrency=PACKED_AT_ONCE)
class PackWorkspace(SessionJob[ArchiveRequested]):
    """Packs the workspace of an archived session, then deletes it."""

    unfinished: ClassVar = UnfinishedWork(PACKING, _archive_id)

    @property
    def path(self) -> Path:
        """The path of the archive."""
        return self.dependencies.archive(self.session_id, self.event.archive_id, self.event.compression)

    async def work(self) -> None:
        """Pack the workspace after its agent has ended."""
        await self.dependencies.agents.close(self.session_id)
        packed = await convert_storage_errors(
            self.dependencies.blocking.run(self.files.pack, self.path, self.event.compression)
        )
        size_bytes = self.path.stat().st_size
        await self.reserve_total(size_bytes)
        await self._remove_files()
        await self._complete(size_bytes, packed)

    async def fail(self, failure: JobFailed) -> None:
        """Report the failure, which reopens the session as it was."""
        failed = FailArchive(
            session_id=self.session_id,
            archive_id=self.event.archive_id,
            error_code=failure.code,
            error_detail=failure.detail,
        )
        await self.reaction.send(failed)
        if failure.code is Code.QUOTA_EXCEEDED and self.files.root.exists():
            await asyncio.to_thread(self.path.unlink, missing_ok=True)  # nothing counts its bytes

    async def give_up(self) -> None:
        """Complete the archive if it was written, else fail it: the files may have been deleted already.

        Raises:
            StorageFailed: the archive cannot be read, so it is unknown which of the two is complete; retried later.
        """
        try:
            size_bytes = self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            await super().give_up()
            return
        packed = await convert_storage_errors(self.dependencies.blocking.run(summarize_archive, self.path))
        with suppress(StorageFailed):  # files that remain are replaced when the archive is unpacked
            await convert_storage_errors(self._remove_files())
        await self._complete(size_bytes, packed)

    async def _remove_files(self) -> None:
        """Remove the workspace if the job is still wanted.

        The folder is opened before the check: a worker that is suspended after it, until others have completed the
        archive and unpacked it again, removes nothing of the new folder.
        """
        with held(self.files.root) as packed:
            await self.check_wanted()
            await self.dependencies.blocking.run(self.files.remove, packed)

    async def _complete(self, size_bytes: int, packed: CopyResult) -> None:
        completed = CompleteArchive(
            session_id=self.session_id,
            archive_id=self.event.archive_id,
            size_bytes=size_bytes,
            file_count=packed.files,
            left_out=packed.left_out,
        )
        await self.reaction.send(completed)


@job(reactions, "unpack_workspace", concurrency=PACKED_AT_ONCE)
class UnpackWorkspace(SessionJob[UnarchiveRequested]):
    """Unpacks the workspace of a session, then deletes the archive."""

    unfinished: ClassVar = UnfinishedWork(UNPACKING, _archive_id)

    async def work(self) -> None:
        """Unpack to a staging folder, and replace the workspace if the job is still wanted."""
        archive = await self.reaction.ask(GetArchive(session_id=self.session_id))
        path = self.dependencies.archive(self.session_id, archive.archive_id, archive.compression)
        unpacked = await convert_storage_errors(self.dependencies.blocking.run(self.files.unpack, path))
        size_bytes = await self.dependencies.blocking.run(self.files.size_of, unpacked)
        try:
            await self.check_wanted()
            await self.reserve_total(size_bytes)
        except (JobNotWanted, JobFailed):
            await self.dependencies.blocking.run(self.files.remove_leftovers)
            raise
        await convert_storage_errors(self.dependencies.blocking.run(self.files.replace, unpacked))
        await self.reaction.send(
            CompleteUnarchive(session_id=self.session_id, archive_id=archive.archive_id, size_bytes=size_bytes)
        )
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def fail(self, failure: JobFailed) -> None:
        """Report the failure, which leaves the session archived; its archive still exists."""
        failed = FailUnarchive(
            session_id=self.session_id,
            archive_id=self.event.archive_id,
            error_code=failure.code,
            error_detail=failure.detail,
        )
        await self.reaction.send(failed)

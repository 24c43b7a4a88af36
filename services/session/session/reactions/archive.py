"""Packs the workspace of a session that is archived, and unpacks it again."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from contracts.refusals import Refusal
from contracts.session.archive import (
    ArchiveRequested,
    CompleteArchive,
    CompleteUnarchive,
    FailArchive,
    FailUnarchive,
    GetArchive,
    UnarchiveRequested,
)
from eventing.jobs import JobFailed, JobNotWanted, job
from eventing.reactions import Reaction, Reactions, UnfinishedWork
from eventing.recording import Recorded

from session.dependencies import Dependencies
from session.reactions.session import SessionJob
from session.workspace import Copied, NotStored, described, stored

PACKED_AT_ONCE = 2

PACKING = "SELECT session_id AS aggregate, archive_id AS work FROM archives WHERE status = 'packing'"
UNPACKING = "SELECT session_id AS aggregate, archive_id AS work FROM archives WHERE status = 'unpacking'"

reactions = Reactions()


def _archive_id(recorded: Recorded[ArchiveRequested | UnarchiveRequested]) -> UUID:
    return recorded.event.archive_id


@reactions.broadcast("end_archived_agent")
async def end_archived_agent(recorded: Recorded[ArchiveRequested], reaction: Reaction[Dependencies]) -> None:
    """End the agent of an archived session, in whichever replica it lives.

    The event may be an old one that is delivered again: the session may have been opened since, and its agent be at
    work.
    """
    with suppress(Refusal):  # the session or its archive is gone
        archive = await reaction.ask(GetArchive(session_id=recorded.id))
        if archive.archive_id == recorded.event.archive_id:
            reaction.dependencies.agents.call_off(recorded.id)


@job(reactions, "pack_workspace", concurrency=PACKED_AT_ONCE)
class PackWorkspace(SessionJob[ArchiveRequested]):
    """Packs the workspace of an archived session, then removes it."""

    unfinished: ClassVar = UnfinishedWork(PACKING, _archive_id)

    @property
    def path(self) -> Path:
        """The file of the archive."""
        return self.dependencies.archive(self.session_id, self.event.archive_id, self.event.compression)

    async def work(self) -> None:
        """Pack it, once its agent has ended."""
        await self.dependencies.agents.close(self.session_id)
        packed = await stored(self.dependencies.blocking.run(self.files.pack, self.path, self.event.compression))
        await self.check_wanted()
        size_bytes = self.path.stat().st_size
        await self.dependencies.blocking.run(self.files.remove)
        await self._complete(size_bytes, packed)

    async def fail(self, failure: JobFailed) -> None:
        """Open the session again, as it was."""
        failed = FailArchive(
            session_id=self.session_id,
            archive_id=self.event.archive_id,
            error_code=failure.code,
            error_detail=failure.detail,
        )
        await self.reaction.send(failed)

    async def give_up(self) -> None:
        """Complete the archive if it was written, else fail it: the files may be removed already.

        Fails, and so is tried again, when the archive cannot be read: then nobody knows which of them is whole.
        """
        try:
            size_bytes = self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            await super().give_up()
            return
        packed = await stored(self.dependencies.blocking.run(described, self.path))
        with suppress(NotStored):  # what cannot be removed is replaced when the archive is unpacked
            await stored(self.dependencies.blocking.run(self.files.remove))
        await self._complete(size_bytes, packed)

    async def _complete(self, size_bytes: int, packed: Copied) -> None:
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
    """Unpacks the workspace of a session, then removes the archive."""

    unfinished: ClassVar = UnfinishedWork(UNPACKING, _archive_id)

    async def work(self) -> None:
        """Unpack it aside, and let it take the place of the workspace if it is still wanted."""
        archive = await self.reaction.ask(GetArchive(session_id=self.session_id))
        path = self.dependencies.archive(self.session_id, archive.archive_id, archive.compression)
        unpacked = await stored(self.dependencies.blocking.run(self.files.unpack, path))
        try:
            await self.check_wanted()
        except JobNotWanted:
            await self.dependencies.blocking.run(self.files.tidy)
            raise
        await stored(self.dependencies.blocking.run(self.files.replace, unpacked))
        await self.reaction.send(CompleteUnarchive(session_id=self.session_id, archive_id=archive.archive_id))
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def fail(self, failure: JobFailed) -> None:
        """Leave the session archived; its archive is still there."""
        failed = FailUnarchive(
            session_id=self.session_id,
            archive_id=self.event.archive_id,
            error_code=failure.code,
            error_detail=failure.detail,
        )
        await self.reaction.send(failed)

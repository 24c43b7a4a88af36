"""Removes files that no report has, or has any more."""

from datetime import timedelta
from uuid import UUID

from contracts.report.report import ReportCompleted, ReportDeleted, ReportFailed
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from report.dependencies import Dependencies

LATE = timedelta(hours=1)
"""Files are removed again after this time: a worker that hung may have stored one, and been killed."""
GRACE = timedelta(days=1)
"""How long the files of expired reports remain, as their events do: an expiry that was wrong can be noticed."""

reactions = Reactions()


@reactions.persistent("remove_other_files", again=LATE)
async def remove_other_files(recorded: Recorded[ReportCompleted], reaction: Reaction[Dependencies]) -> None:
    """Remove what other workers stored for a report that is completed: they were killed before they could report it."""
    await _remove(recorded.id, reaction.dependencies, keep=recorded.event.file.key)


@reactions.persistent("remove_files_of_failed", again=LATE)
async def remove_files_of_failed(recorded: Recorded[ReportFailed], reaction: Reaction[Dependencies]) -> None:
    """Remove what was stored for a report that failed."""
    await _remove(recorded.id, reaction.dependencies)


def _grace(deleted: Recorded[ReportDeleted]) -> timedelta:
    return GRACE if deleted.event.expired else timedelta()


@reactions.persistent("remove_files_of_deleted", after=_grace, again=LATE)
async def remove_files_of_deleted(recorded: Recorded[ReportDeleted], reaction: Reaction[Dependencies]) -> None:
    """Remove the file of a deleted report; after `GRACE` if it has expired.

    A worker that is still creating it removes its own file.
    """
    await _remove(recorded.id, reaction.dependencies)


async def _remove(report_id: UUID, dependencies: Dependencies, keep: str | None = None) -> None:
    for key in await dependencies.storage.keys(f"{report_id}/"):
        if key != keep:
            await dependencies.storage.delete(key)

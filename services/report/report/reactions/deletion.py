"""Removes files that no report has, or has any more."""

from uuid import UUID

from contracts.report.report import ReportCompleted, ReportDeleted, ReportFailed
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from report.dependencies import Dependencies

reactions = Reactions()


@reactions.shared("remove_other_files")
async def remove_other_files(recorded: Recorded[ReportCompleted], reaction: Reaction[Dependencies]) -> None:
    """Remove what other workers stored for a report that is completed: they were killed before they could report it."""
    await _remove(recorded.id, reaction.dependencies, keep=recorded.event.file.key)


@reactions.shared("remove_files_of_failed")
async def remove_files_of_failed(recorded: Recorded[ReportFailed], reaction: Reaction[Dependencies]) -> None:
    """Remove what was stored for a report that failed."""
    await _remove(recorded.id, reaction.dependencies)


@reactions.shared("remove_files_of_deleted")
async def remove_files_of_deleted(recorded: Recorded[ReportDeleted], reaction: Reaction[Dependencies]) -> None:
    """Remove the file of a deleted report. A worker that is still creating it removes its own file."""
    await _remove(recorded.id, reaction.dependencies)


async def _remove(report_id: UUID, dependencies: Dependencies, keep: str | None = None) -> None:
    for key in await dependencies.storage.keys(f"{report_id}/"):
        if key != keep:
            await dependencies.storage.delete(key)

"""The handler of the release of runs."""

from contracts.session.release import ReleaseRun
from eventing.handling import Handlers

from session.dependencies import Work
from session.handlers.run import change_and_start_next

handles = Handlers()


@handles
async def release_run(command: ReleaseRun, work: Work) -> None:
    """Release a run that only waits for approvals, or is handed over."""
    async with change_and_start_next(command.session_id, work) as session:
        session.release_run(command.run_id, command.usage, command.attempt, command.reason)

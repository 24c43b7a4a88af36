"""Runs that requests start and wait for. An event wakes the wait; reads at intervals make up for one that is lost."""

from functools import partial
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.run import GetRun, GetRunSummary, RunCancelled, RunCompleted, RunFailed, SubmitQuery
from contracts.session.run_view import RunView
from pydantic import BaseModel
from runtime.bus import Client, Unavailable
from runtime.logging import get_logger

from gateway import ids
from gateway.clients.auth.callers import Anyone
from gateway.problems import EdgeCode, Problem
from gateway.waiting import Disconnected, EventWaiters, Waits

log = get_logger()

END_EVENTS = (RunCompleted, RunFailed, RunCancelled)
TERMINAL_STATUSES = frozenset({"completed", "failed", "cancelled"})


class _RunEnded(BaseModel):
    run_id: UUID


class Runs:
    """Starts runs and waits for them to end."""

    def __init__(self, client: Client, waits: Waits) -> None:
        self.waits = waits
        self.waiting = EventWaiters(client, END_EVENTS, lambda _, body: _RunEnded.model_validate_json(body).run_id)

    async def until_ended(self, command: SubmitQuery, caller: Anyone, disconnected: Disconnected) -> RunView:
        """Start a run and return it when it has ended, or as it is when the wait has to end.

        Raises:
            Problem: it is not known whether the run was started.
            ClientDisconnect: the client disconnected. The run continues.
            Refusal: the run was not started.
        """
        with self.waiting.waiting(command.run_id) as waiter:
            run = await self.start(command, caller)
            return await self.waits.until(has_ended, run, partial(read_run, caller), disconnected, waiter)

    async def outcome(self, command: SubmitQuery, caller: Anyone, disconnected: Disconnected) -> RunView:
        """Start a run and return it when it has ended. Raises as `until_ended` does.

        Raises:
            Problem: the wait had to end before the run did; the problem names the run.
        """
        run = await self.until_ended(command, caller, disconnected)
        if not has_ended(run):
            raise self.waits.timed_out("run", run_path(command), run_id=str(command.run_id))
        return run

    async def start(self, command: SubmitQuery, caller: Anyone) -> RunView:
        """Start a run, or put it in the session's queue, and return it.

        Raises:
            Problem: it is not known whether the run was started.
            Refusal: the run was not started.
        """
        try:
            return await caller.ask(command)
        except Unavailable as error:
            log.warning("service did not reply", error=str(error))
            detail = f"It is not known whether the run was started; if it was, it is at {run_path(command)}."
            headers, run_id = {"Location": run_path(command)}, str(command.run_id)
            already = not ids.derived()
            raise Problem(EdgeCode.UNAVAILABLE, detail, headers=headers, already=already, run_id=run_id) from None


def has_ended(run: RunView) -> bool:
    """Return whether a run will not change any more."""
    return run.status in TERMINAL_STATUSES


def check_completed(run: RunView) -> None:
    """Check that a run that has ended was successful.

    Raises:
        Problem: it failed, or was cancelled; `Location` is its path.
    """
    if run.status != "completed":
        code = run.error_code or Code.RUN_CANCELLED
        headers = {"Location": _path(run.session_id, run.id)}
        raise Problem(code, run.error_detail or "The run was cancelled.", headers=headers, run_id=str(run.id))


async def read_run(caller: Anyone, run: RunView, ended: bool) -> RunView:
    """Return the current state of a run, or the state passed in if the service does not reply.

    A run whose session was deleted counts as cancelled. `ended` says whether the run is known to have ended. The result
    of a run may be large and many requests may wait for it: until it has ended, only its status is read.
    """
    try:
        if not ended:
            summary = await caller.ask(GetRunSummary(session_id=run.session_id, run_id=run.id))
            if summary.status not in TERMINAL_STATUSES:
                return run
        return await caller.ask(GetRun(session_id=run.session_id, run_id=run.id))
    except Unavailable:  # another replica takes over, and the run ends there
        return run
    except Refusal as refusal:
        if refusal.code is not Code.SESSION_NOT_FOUND:
            raise
        cancelled = {
            "status": "cancelled",
            "error_code": Code.RUN_CANCELLED,
            "error_detail": "The session was deleted.",
        }
        return run.model_copy(update=cancelled)


def run_path(command: SubmitQuery) -> str:
    """Return the path of the run that a command starts."""
    return _path(command.session_id, command.run_id)


def _path(session_id: UUID, run_id: UUID) -> str:
    return f"/api/v1/sessions/{session_id}/runs/{run_id}"

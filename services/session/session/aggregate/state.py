"""The state of a Session, on which the classes of its subjects are based."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session import SessionEvent
from contracts.session.release import RunContinued
from contracts.session.values import ApprovalOutcome, Mode, SdkOptions

from session.aggregate.active_run import Run
from session.aggregate.queue import Queue

type Phase = Literal["open", "copying", "broken", "packing", "archived", "unpacking"]
"""The state of the session's files; a `broken` session is a fork whose copy failed."""


class State(ABC):
    """The state shared by the subjects of a Session, which combines them."""

    id: UUID
    user_id: UUID
    messages: int
    mode: Mode
    sdk_options: SdkOptions
    phase: Phase
    archive_id: UUID | None
    run: Run | None
    queue: Queue
    unbilled: dict[UUID, int]
    """The attempts of runs that were ended without their agent, which may still report what it wrote and used."""
    cancelled_in_advance: list[UUID]
    """Runs that were cancelled before they were submitted, and are refused."""
    remembered: dict[str, ApprovalOutcome]

    @abstractmethod
    def record(self, event: SessionEvent) -> None:
        """Fold an event, and keep it to be stored."""

    def check_ready(self) -> None:
        """Check that the session is ready for changes and runs.

        Raises:
            Refusal: SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        match self.phase:
            case "open":
                return
            case "copying":
                raise Refusal(Code.SESSION_NOT_READY, "The session is still being copied; try again shortly.")
            case "broken":
                raise Refusal(Code.SESSION_NOT_READY, "The fork failed: delete this session and fork again.")
            case "packing" | "archived" | "unpacking":
                raise Refusal(Code.SESSION_ARCHIVED, "The session is archived. Resume it once it is packed.")

    def check_idle(self) -> None:
        """Check that the session is ready, and has no active run and no queue.

        Raises:
            Refusal: SESSION_BUSY, SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_ready()
        if self.run:
            raise Refusal(Code.SESSION_BUSY, f"The session is busy with run {self.run.id}.")
        if self.queue.waiting:
            raise Refusal(Code.SESSION_BUSY, "The session has queued queries: resume it or cancel them.")

    def _record_all(self, events: Sequence[SessionEvent]) -> None:
        for event in events:
            self.record(event)

    def _continue_released(self) -> None:
        """Request a worker for a released run if all its approvals are decided."""
        if self.run and self.run.awaits_worker:
            self.record(RunContinued(run_id=self.run.id))

    def _active_run(self, run_id: UUID) -> Run:
        if self.run is None or self.run.id != run_id:
            raise Refusal(Code.RUN_OVER, f"Run {run_id} is over.")
        return self.run

    def _run_of_worker(self, run_id: UUID, attempt: int) -> Run:
        run = self._active_run(run_id)
        if run.attempt != attempt or run.released:
            raise Refusal(Code.RUN_TAKEN, f"Run {run_id} is assigned to another worker.")
        return run

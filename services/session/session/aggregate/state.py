"""What a Session knows, and how it lets an event be so: what all that it decides stands on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session import SessionEvent
from contracts.session.values import ApprovalOutcome, Mode, SdkOptions

from session.aggregate.active_run import Run
from session.aggregate.queue import Queue

type Phase = Literal["open", "copying", "broken", "packing", "archived", "unpacking"]
"""What becomes of its files: `copying` is a fork that is made, `broken` one that could not be."""


class State(ABC):
    """Each subject of a Session is a subclass; Session puts them together and folds."""

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
    """Runs that were ended without their agent, which may still say what it used; whose it was, by its attempt."""
    remembered: dict[str, ApprovalOutcome]

    @abstractmethod
    def record(self, event: SessionEvent) -> None:
        """Let an event be so."""

    def check_ready(self) -> None:
        """Make sure that the session is whole, and open.

        Raises:
            Refusal: SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        match self.phase:
            case "open":
                return
            case "copying":
                raise Refusal(Code.SESSION_NOT_READY, "The session is still being copied; try again shortly.")
            case "broken":
                raise Refusal(Code.SESSION_NOT_READY, "The session could not be copied: delete it, and fork again.")
            case "packing" | "archived" | "unpacking":
                raise Refusal(Code.SESSION_ARCHIVED, "The session is archived; when it is packed, it can be resumed.")

    def check_idle(self) -> None:
        """Make sure that the session is ready, and that no run is going in it, waiting for approval, or queued.

        Raises:
            Refusal: SESSION_BUSY, SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_ready()
        if self.run:
            raise Refusal(Code.SESSION_BUSY, f"The session is busy with run {self.run.id}.")
        if self.queue.waiting:
            raise Refusal(Code.SESSION_BUSY, "Queries wait in the session: resume it, or cancel them.")

    def _record_all(self, events: Sequence[SessionEvent]) -> None:
        for event in events:
            self.record(event)

    def _active_run(self, run_id: UUID) -> Run:
        if self.run is None or self.run.id != run_id:
            raise Refusal(Code.RUN_OVER, f"Run {run_id} is over.")
        return self.run

    def _run_of_worker(self, run_id: UUID, attempt: int) -> Run:
        run = self._active_run(run_id)
        if run.attempt != attempt:
            raise Refusal(Code.RUN_TAKEN, f"Another worker has run {run_id}.")
        return run

"""What a Session knows, and how it lets a fact be so: what all that it decides stands on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approvals import ApprovalDecided
from contracts.session.events import SessionFact
from contracts.session.values import Mode, Ruling

from session.aggregate.queue import Queue
from session.aggregate.run import Run


class State(ABC):
    """Each subject of a Session is a subclass; Session puts them together and folds."""

    id: UUID
    user_id: UUID
    messages: int
    mode: Mode
    run: Run | None
    queue: Queue
    over: set[UUID]
    unbilled: set[UUID]
    """Runs that were ended without their agent, which may still say what it used."""
    remembered: dict[str, Ruling]
    decided: dict[UUID, ApprovalDecided]

    @abstractmethod
    def record(self, fact: SessionFact) -> None:
        """Let a fact be so."""

    def _record_all(self, facts: Sequence[SessionFact]) -> None:
        for fact in facts:
            self.record(fact)

    def _going(self, run_id: UUID) -> Run:
        if self.run is None or self.run.id != run_id:
            raise Refusal(Code.RUN_OVER, f"Run {run_id} is over.")
        return self.run

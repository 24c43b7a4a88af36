"""The queue of a session: queries wait for their turn, for the end of a pause, or for runs of other sessions to end.

They are refused without budget.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.quota import Allowance
from contracts.session.run import RunFailed, RunQueued, RunRequested
from contracts.session.values import Usage

MAX_QUEUE_LENGTH = 20
BUDGET_REACHED = "The session reached its `max_budget_usd`."


def requested(query: RunQueued, number: int) -> RunRequested:
    """Return the event that requests the query's run; its message gets the sequence number `number`."""
    return RunRequested(run_id=query.run_id, message_id=query.message_id, sequence_number=number, message=query.message)


@dataclass
class Queue:
    """The waiting queries in their order, and the state that decides whether one may start."""

    waiting: dict[UUID, RunQueued] = field(default_factory=dict[UUID, RunQueued])
    paused: bool = False
    budget_usd: Decimal | None = None
    spent_usd: Decimal = Decimal(0)

    @property
    def budget_spent(self) -> bool:
        """Whether the session has used up its budget."""
        return self.budget_usd is not None and self.spent_usd >= self.budget_usd

    def enqueue(self, query: RunQueued) -> RunQueued:
        """Return the event that enqueues the query.

        Raises:
            Refusal: QUEUE_FULL.
        """
        if len(self.waiting) >= MAX_QUEUE_LENGTH:
            raise Refusal(Code.QUEUE_FULL, f"The queue is full: at most {MAX_QUEUE_LENGTH} queries can wait.")
        return query

    def next_event(self, number: int, allowance: Allowance) -> RunRequested | RunFailed | None:
        """Return the event that requests the first query's run, or fails it without budget; None if none may start."""
        query = next(iter(self.waiting.values()), None)
        if query is None or self.paused:
            return None
        if self.budget_spent:
            code, detail = Code.BUDGET_EXCEEDED, BUDGET_REACHED
            return RunFailed(run_id=query.run_id, error_code=code, error_detail=detail, usage=Usage())
        if refused := allowance.refused:
            code, detail = refused.code, refused.detail
            return RunFailed(run_id=query.run_id, error_code=code, error_detail=detail, usage=Usage())
        return requested(query, number) if allowance.may_start else None

    def apply_budget(self, budget_usd: float | None) -> None:
        """Fold: the session has this budget."""
        self.budget_usd = None if budget_usd is None else Decimal(str(budget_usd))

    def apply_queued(self, event: RunQueued) -> None:
        """Fold: the query waits."""
        self.waiting[event.run_id] = event

    def apply_removed(self, run_id: UUID) -> None:
        """Fold: the query does not wait any more."""
        self.waiting.pop(run_id, None)

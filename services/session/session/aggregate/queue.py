"""What a session's queries wait for: their turn, the end of a pause, and money."""

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.run import RunFailed, RunQueued, RunRequested
from contracts.session.values import Usage

MAX_QUEUE_LENGTH = 20
BUDGET_REACHED = "The session has used all the money it may spend."


def requested(query: RunQueued, number: int) -> RunRequested:
    """Give the event that it is the query's turn; its message is the conversation's next, `number`."""
    return RunRequested(run_id=query.run_id, message_id=query.message_id, sequence_number=number, message=query.message)


@dataclass
class Queue:
    """The queries that wait, in their order, and what may keep them from their turn."""

    waiting: dict[UUID, RunQueued] = field(default_factory=dict[UUID, RunQueued])
    paused: bool = False
    budget_usd: Decimal | None = None
    spent_usd: Decimal = Decimal(0)

    @property
    def budget_spent(self) -> bool:
        """Whether the session has spent what it may."""
        return self.budget_usd is not None and self.spent_usd >= self.budget_usd

    def take(self, query: RunQueued) -> RunQueued:
        """Give the event that the query waits.

        Raises:
            Refusal: QUEUE_FULL.
        """
        if len(self.waiting) >= MAX_QUEUE_LENGTH:
            raise Refusal(Code.QUEUE_FULL, f"{MAX_QUEUE_LENGTH} queries wait already.")
        return query

    def next_event(self, number: int) -> RunRequested | RunFailed | None:
        """Give the event that the first has its turn, or that there is no money for it; None if no turn may apply_start."""
        query = next(iter(self.waiting.values()), None)
        if query is None or self.paused:
            return None
        if self.budget_spent:
            code, detail = Code.BUDGET_EXCEEDED, BUDGET_REACHED
            return RunFailed(run_id=query.run_id, error_code=code, error_detail=detail, usage=Usage())
        return requested(query, number)

    def apply_budget(self, budget_usd: float | None) -> None:
        """Fold: so much may be spent."""
        self.budget_usd = None if budget_usd is None else Decimal(str(budget_usd))

    def apply_queued(self, event: RunQueued) -> None:
        """Fold: it waits."""
        self.waiting[event.run_id] = event

    def apply_left(self, run_id: UUID) -> None:
        """Fold: it waits no more, if it did."""
        self.waiting.pop(run_id, None)

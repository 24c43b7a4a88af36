"""The decisions of a Task about its backfill."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.task_scheduler.backfill import BackfillAdvanced, BackfillEnded, BackfillEvent, BackfillStarted

from task_scheduler.aggregate.state import State


@dataclass
class Backfill:
    """A backfill that runs, and the ticks whose executions have not ended, in order: the first one is active."""

    id: UUID
    ticks: list[datetime]


class Backfilling(State):
    """The backfill of a task: one at a time, and one execution of it at a time, beside the overlap policy."""

    backfill: Backfill | None

    def start_backfill(self, backfill_id: UUID, from_at: datetime, to_at: datetime, ticks: list[datetime]) -> datetime:
        """Start a backfill of these ticks, and return the first one, whose execution is to be started.

        Raises:
            Refusal: BACKFILL_RUNNING, NOTHING_TO_BACKFILL.
        """
        if self.backfill:
            raise Refusal(Code.BACKFILL_RUNNING, f"Backfill {self.backfill.id} is running. Wait for it, or cancel it.")
        if not ticks:
            raise Refusal(Code.NOTHING_TO_BACKFILL, "There is no tick in this period that was not completed already.")
        self.record(BackfillStarted(backfill_id=backfill_id, from_at=from_at, to_at=to_at, ticks=ticks))
        self.record(BackfillAdvanced(backfill_id=backfill_id, tick=ticks[0]))
        return ticks[0]

    def advance_backfill(self, backfill_id: UUID, tick: datetime) -> datetime | None:
        """Record that the execution for a tick has ended, however, and return the next tick; None if there is none.

        Records nothing if that execution is not the active one of the backfill, as after its cancellation.
        """
        backfill = self.backfill
        if backfill is None or backfill.id != backfill_id or backfill.ticks[0] != tick:
            return None
        if not backfill.ticks[1:]:
            self.record(BackfillEnded(backfill_id=backfill_id, status="completed"))
            return None
        following = backfill.ticks[1]
        self.record(BackfillAdvanced(backfill_id=backfill_id, tick=following))
        return following

    def cancel_backfill(self, backfill_id: UUID) -> datetime:
        """Cancel the backfill, and return the tick whose execution is active and has to be cancelled.

        Raises:
            Refusal: BACKFILL_OVER.
        """
        if self.backfill is None or self.backfill.id != backfill_id:
            raise Refusal(Code.BACKFILL_OVER, f"Backfill {backfill_id} is over.")
        active = self.backfill.ticks[0]
        self.record(BackfillEnded(backfill_id=backfill_id, status="cancelled"))
        return active

    def apply_backfill(self, event: BackfillEvent) -> None:
        """Fold one event of a backfill."""
        match event:
            case BackfillStarted():
                self.backfill = Backfill(event.backfill_id, event.ticks)
            case BackfillAdvanced():
                if self.backfill:
                    self.backfill.ticks = [tick for tick in self.backfill.ticks if tick >= event.tick]
            case BackfillEnded():
                self.backfill = None
            case _:
                assert_never(event)

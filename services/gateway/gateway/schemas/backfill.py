"""Models of backfills."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from contracts.samples import BACKFILL, TASK, TIME
from contracts.task_scheduler.backfill import BackfillView, StartBackfill
from pydantic import ConfigDict, Field, StrictBool

from gateway import ids
from gateway.schemas.base import RequestBody, ResponseModel, example
from gateway.schemas.lists import ListPage
from gateway.schemas.times import Time


class NewBackfill(RequestBody):
    """A period whose ticks are executed."""

    model_config = example({"from": "2026-11-01T00:00:00Z", "to": "2026-11-08T00:00:00Z", "rerun": False})

    from_at: Annotated[Time, Field(alias="from", description="Start of the period, included.")]
    to_at: Annotated[Time, Field(alias="to", description="End of the period, excluded.")]
    rerun: Annotated[StrictBool, Field(description="Whether ticks are executed again that were completed.")] = False

    def command(self, task_id: UUID) -> StartBackfill:
        """Return the command."""
        return StartBackfill(
            task_id=task_id, backfill_id=ids.new_id(), from_at=self.from_at, to_at=self.to_at, rerun=self.rerun
        )


_BACKFILL: dict[str, Any] = {
    "id": BACKFILL,
    "task_id": TASK,
    "status": "running",
    "from": "2026-11-01T00:00:00Z",
    "to": "2026-11-08T00:00:00Z",
    "total": 7,
    "done": 2,
    "created_at": TIME,
    "ended_at": None,
}


class Backfill(BackfillView, ResponseModel):
    """A backfill, and how many of its executions have ended."""

    model_config = example(_BACKFILL) | ConfigDict(serialize_by_alias=True)

    from_at: Annotated[datetime, Field(alias="from", description="Start of the period, included.")]
    to_at: Annotated[datetime, Field(alias="to", description="End of the period, excluded.")]


class BackfillPage(ListPage[Backfill]):
    """Backfills, newest first."""

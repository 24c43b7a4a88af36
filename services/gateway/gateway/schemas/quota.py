"""Models of what users use of their quotas."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from contracts.samples import USER
from contracts.session.quota import UsageView
from pydantic import Field

from gateway.schemas.base import Money, ResponseModel

_RESETS = "2026-12-01T00:00:00Z"
_USAGE: dict[str, Any] = {
    "user_id": USER,
    "concurrent_runs": {"used": 2, "limit": 5, "resets_at": None},
    "sessions_per_month": {"used": 40, "limit": 1000, "resets_at": _RESETS},
    "budget_per_month_usd": {"used": 12.5, "limit": None, "resets_at": _RESETS},
    "storage_bytes": {"used": 1_048_576, "limit": 10_737_418_240, "resets_at": None},
}


USED = "How much is used."
LIMIT = "Limit of the quota; null: unlimited."
RESETS_AT = "When the quota starts again at 0; null if it does not depend on the month."


class Count(ResponseModel):
    """How much of a quota is used."""

    sample = _USAGE["concurrent_runs"]

    used: Annotated[int, Field(description=USED)]
    limit: Annotated[int | None, Field(description=LIMIT)]
    resets_at: Annotated[datetime | None, Field(description=RESETS_AT)]


class Spending(ResponseModel):
    """How much of a quota in US dollars is used."""

    sample = _USAGE["budget_per_month_usd"]

    used: Annotated[Money, Field(description=USED)]
    limit: Annotated[Money | None, Field(description=LIMIT)]
    resets_at: Annotated[datetime, Field(description=RESETS_AT)]


class Usage(ResponseModel):
    """What a user uses of each quota."""

    sample = _USAGE

    user_id: Annotated[UUID, Field(description="Id of the user.")]
    concurrent_runs: Annotated[Count, Field(description="Runs in progress, except those that only wait for approvals.")]
    sessions_per_month: Annotated[Count, Field(description="Sessions created in this month in UTC, deleted ones too.")]
    budget_per_month_usd: Annotated[Spending, Field(description="Cost of the runs of this month in UTC.")]
    storage_bytes: Annotated[Count, Field(description="Bytes in all workspaces and archives.")]

    @classmethod
    def to(cls, view: UsageView) -> "Usage":
        """Return the model of a view."""
        return cls.of(
            view,
            concurrent_runs=Count.of(view.concurrent_runs),
            sessions_per_month=Count.of(view.sessions_per_month),
            budget_per_month_usd=Spending.of(view.budget_per_month_usd),
            storage_bytes=Count.of(view.storage_bytes),
        )

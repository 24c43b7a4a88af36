"""The costs of runs, summed by day, user, model and template."""

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.messages import Page, Query, View, Window
from contracts.samples import USER

type CostDimension = Literal["user", "model", "day", "template"]
"""What costs are grouped by. A day is a day in UTC, on which a run ended."""


class Costs(View):
    """What runs have used together; `runs` counts those that were started and have ended."""

    sample = {"cost_usd": 15.67, "input_tokens": 120_000, "output_tokens": 45_000, "runs": 42}

    cost_usd: Decimal = Field(description="Cost in US dollars.")
    input_tokens: int = Field(description="Input tokens used.")
    output_tokens: int = Field(description="Output tokens used.")
    runs: int = Field(description="Number of runs that were started and have ended.")


class GroupCosts(Costs):
    """The costs of one group: of a user, a model, a day or a template.

    `key` is the id, the name or the day; None for runs without a template, or whose model is unknown.
    """

    sample = {"key": USER} | Costs.sample

    key: str | None = Field(
        description="Id, name or day of the group; null for runs without a template, or of an unknown model."
    )


class CostPage(Page[GroupCosts]):
    """One page of costs, with the sums over all groups of the list."""

    sums: Costs


class ListCosts(Window, Query[CostPage]):
    """Return the costs of all users from `first_day` to `last_day`; days newest first, other groups by their cost.

    Deleted sessions are included. Only administrators may do this.
    """

    subject = "qry.session.list_costs"
    sample = {"by": "model", "first_day": "2026-11-01", "last_day": "2026-11-30", "user_id": USER}

    by: CostDimension
    first_day: date
    last_day: date
    user_id: UUID | None = None
    model: str | None = None
    template_id: UUID | None = None

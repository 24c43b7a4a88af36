"""Models of costs."""

from datetime import date, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from contracts.samples import TEMPLATE, USER
from contracts.session.cost import CostDimension, CostPage, Costs, GroupCosts, ListCosts
from pydantic import ConfigDict, Field, model_validator
from runtime import clock
from starlette.requests import Request

from gateway.problems.validation_messages import field_error
from gateway.schemas.base import Money, ResponseModel
from gateway.schemas.lists import ListPage, Window, Words
from gateway.schemas.times import Day

DEFAULT_DAYS = 30


class CostWindow(Window):
    """Query parameters of the list of costs."""

    by: Annotated[
        CostDimension, Field(description="What the costs are grouped by. A day is one in UTC.", examples=["user"])
    ] = "day"
    first_day: Annotated[
        Day | None,
        Field(
            alias="from",
            description="First day; by default so that the period has 30 days.",
            examples=["2026-11-01"],
        ),
    ] = None
    last_day: Annotated[
        Day | None, Field(alias="to", description="Last day, included; by default today.", examples=["2026-11-30"])
    ] = None
    user_id: Annotated[UUID | None, Field(description="Return only costs of this user.", examples=[USER])] = None
    model: Annotated[
        Words | None,
        Field(min_length=1, max_length=200, description="Return only costs of this model.", examples=["sonnet"]),
    ] = None
    template_id: Annotated[
        UUID | None, Field(description="Return only costs of sessions from this template.", examples=[TEMPLATE])
    ] = None

    @model_validator(mode="after")
    def _has_days(self) -> Self:
        first, last = self.period
        if first > last:
            raise field_error("from", "`from` must not be after `to`")
        return self

    @property
    def period(self) -> tuple[date, date]:
        """The first and the last day."""
        last = self.last_day or clock.now().date()
        return self.first_day or last - timedelta(days=DEFAULT_DAYS - 1), last

    def query(self) -> ListCosts:
        """Return the query."""
        first, last = self.period
        return ListCosts(
            by=self.by,
            first_day=first,
            last_day=last,
            user_id=self.user_id,
            model=self.model,
            template_id=self.template_id,
            skip=self.skip,
            limit=self.limit,
        )


class CostSums(Costs, ResponseModel):
    """What runs have used together."""

    cost_usd: Money


class CostGroup(GroupCosts, ResponseModel):
    """The costs of one user, model, day or template."""

    cost_usd: Money


class CostList(ListPage[CostGroup]):
    """Costs of a period. Days are listed newest first, other groups by their cost."""

    sample = {
        "by": "user",
        "first_day": "2026-11-01",
        "last_day": "2026-11-30",
        "sums": CostSums.sample,
    }

    model_config = ConfigDict(serialize_by_alias=True)

    total: Annotated[int, Field(description="Number of groups in the whole list.")]
    by: Annotated[CostDimension, Field(description="What the costs are grouped by.")]
    first_day: Annotated[date, Field(serialization_alias="from", description="First day of the period, in UTC.")]
    last_day: Annotated[date, Field(serialization_alias="to", description="Last day of the period, in UTC.")]
    sums: Annotated[CostSums, Field(description="The sums over all groups of the whole list.")]

    @classmethod
    def of_period(cls, page: CostPage, window: CostWindow, request: Request) -> Self:
        """Return the model of a page that the session service returned."""
        groups = [CostGroup.of(group) for group in page.items]
        first, last = window.period
        listed: dict[str, Any] = vars(cls.over(page, window, request, groups))
        return cls.model_construct(
            None, **listed, by=window.by, first_day=first, last_day=last, sums=CostSums.of(page.sums)
        )

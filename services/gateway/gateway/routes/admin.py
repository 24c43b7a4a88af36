"""The system as a whole, for administrators: `/api/v1/admin`."""

import asyncio
from typing import Annotated

from contracts.identity.statistics import GetStatistics
from contracts.refusals import Code
from contracts.session.cost import ListCosts
from contracts.session.session import CountSessions, ListSessions
from fastapi import APIRouter, Query, Request, Response
from runtime import clock

from gateway.clients.authentication import Caller
from gateway.problems import documented
from gateway.routing.bodies import JsonRoute
from gateway.schemas.cost import CostList, CostWindow
from gateway.schemas.session import SessionPage, SessionWindowOfAll
from gateway.schemas.statistics import Statistics

ACTIVE = ("active", "processing", "waiting")

router = APIRouter(prefix="/api/v1/admin", tags=["Admin"], route_class=JsonRoute)


@router.get(
    "/stats",
    operation_id="getStatistics",
    summary="Get statistics",
    response_model=Statistics,
)
async def statistics(caller: Caller) -> Response:
    """Returns numbers of accounts, sessions and API calls, and the cost of today."""
    today = clock.now().date()
    of_accounts, sessions, costs = await asyncio.gather(
        caller.ask(GetStatistics(day=today)),
        caller.ask(CountSessions()),
        caller.ask(ListCosts(by="day", first_day=today, last_day=today, limit=1)),
    )
    return Statistics(
        total_users=of_accounts.total_users,
        total_sessions=sum(sessions.values()),
        active_sessions=sum(sessions.get(status, 0) for status in ACTIVE),
        total_api_calls_today=of_accounts.api_calls,
        total_cost_today_usd=costs.sums.cost_usd,
    ).response()


@router.get(
    "/sessions",
    operation_id="listAllSessions",
    summary="List the sessions of all users",
    response_model=SessionPage,
    responses=documented(Code.SESSION_NOT_FOUND),
)
async def sessions(window: Annotated[SessionWindowOfAll, Query()], caller: Caller, request: Request) -> Response:
    """Returns the sessions of all users or of one, newest first, without options and metadata."""
    page = await caller.ask(ListSessions(**window.model_dump()))
    return SessionPage.over(page, window, request).response()


@router.get(
    "/costs",
    operation_id="listCosts",
    summary="List costs",
    response_model=CostList,
)
async def costs(window: Annotated[CostWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns what the runs of all users have cost in a period, with those of deleted sessions.

    A run counts for the day on which it ended, and with all it used for the model that its session named when it
    started, or the default model.
    """
    return CostList.of_period(await caller.ask(window.query()), window, request).response()

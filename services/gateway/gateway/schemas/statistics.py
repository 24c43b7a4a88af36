"""Models of statistics."""

from typing import Annotated

from pydantic import Field

from gateway.schemas.base import Money, ResponseModel


class Statistics(ResponseModel):
    """The system as a whole. Today is the day in UTC."""

    sample = {
        "total_users": 42,
        "total_sessions": 156,
        "active_sessions": 12,
        "total_api_calls_today": 1234,
        "total_cost_today_usd": 15.67,
    }

    total_users: Annotated[int, Field(description="Number of accounts, with disabled ones and service accounts.")]
    total_sessions: Annotated[int, Field(description="Number of sessions, without deleted ones.")]
    active_sessions: Annotated[
        int, Field(description="Number of sessions with the status `active`, `processing` or `waiting`.")
    ]
    total_api_calls_today: Annotated[
        int, Field(description="Number of requests today that rate limits apply to; up to 5 s late.")
    ]
    total_cost_today_usd: Annotated[Money, Field(description="Cost of the runs that ended today, in US dollars.")]

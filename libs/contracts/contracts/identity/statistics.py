"""All messages about the use of the API as a whole."""

from datetime import date
from uuid import UUID

from pydantic import Field, NonNegativeInt

from contracts.messages import Command, Message, Query
from contracts.samples import USER

MAX_REPORTED_DAYS = 3


class StatisticsView(Message):
    """The number of accounts, and of API calls on one day."""

    total_users: int
    api_calls: int


class GetStatistics(Query[StatisticsView]):
    """Return the number of accounts, and of the API calls on a day in UTC. Only administrators may do this."""

    subject = "qry.identity.get_statistics"
    sample = {"day": "2026-11-25"}

    day: date


class RecordApiCalls(Command[None]):
    """Store how many API calls one process of the gateway has answered, by day in UTC.

    The numbers are totals since its start, so a report that is repeated or late changes nothing.
    """

    subject = "cmd.identity.record_api_calls"
    sample = {"process_id": USER, "calls": {"2026-11-25": 1234}}

    process_id: UUID
    calls: dict[date, NonNegativeInt] = Field(max_length=MAX_REPORTED_DAYS)

"""Models of streams of events."""

from typing import Annotated, Any
from uuid import UUID

from contracts.public_event import PublicEvent
from contracts.samples import MESSAGE, SESSION, TIME, USER
from contracts.session.run import RunStarted
from fastapi import Query
from pydantic import BaseModel, Field

from gateway.schemas.base import ResponseModel
from gateway.schemas.times import Time

LEGACY = "Send events as release 0.1 did, with their fields in a member `data`. Release 0.3 removes it."

EVENT = PublicEvent.of(
    f"{RunStarted.subject}.{USER}.{SESSION}", MESSAGE, TIME, RunStarted.example().model_dump(mode="json"), 345
).payload()

Legacy = Annotated[bool, Query(description=LEGACY, deprecated=True, examples=[True])]


class StreamSelection(BaseModel):
    """Query parameters of a stream: where it begins, and what it has."""

    after: Annotated[
        str | None,
        Field(description="Start after the event with this id; 0 for all stored events.", examples=["345"]),
    ] = None
    types: Annotated[
        str | None,
        Field(description="Event types, separated by commas; `*` matches any characters.", examples=["session.run_*"]),
    ] = None


class AllEventsSelection(StreamSelection):
    """Query parameters of the events of all users."""

    user_id: Annotated[UUID | None, Field(description="User whose events to send.", examples=[USER])] = None
    since: Annotated[
        Time | None, Field(description="Start with the first event published since this time.", examples=[TIME])
    ] = None
    limit: Annotated[int, Field(ge=1, le=100, description="Maximum number of events of a page.", examples=[20])] = 100


class EventPage(ResponseModel):
    """Events in the order of their time, those of one service in their own order."""

    sample = {
        "items": [EVENT],
        "resume_from": "identity-12.mcp_registry-0.report-7.session-345.task_scheduler-0",
        "more": False,
        "expired": False,
    }

    items: Annotated[list[dict[str, Any]], Field(description="The events, as streams send them.")]
    resume_from: Annotated[str, Field(description="The `after` of the next page, also if there is none yet.")]
    more: Annotated[bool, Field(description="Whether there may be more events: read the next page at once.")]
    expired: Annotated[bool, Field(description="Whether events before this page are no longer stored.")]


class LegacySelection(StreamSelection):
    """Query parameters of a stream that release 0.1 had."""

    # Not `deprecated=True`: reading such a field warns.
    legacy: Annotated[bool, Field(description=LEGACY, json_schema_extra={"deprecated": True}, examples=[True])] = False

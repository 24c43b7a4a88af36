"""Models of streams of events."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

LEGACY = "Send events as release 0.1 did, with their fields in a member `data`. Release 0.3 removes it."

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


class LegacySelection(StreamSelection):
    """Query parameters of a stream that release 0.1 had."""

    # Not `deprecated=True`: reading such a field warns.
    legacy: Annotated[bool, Field(description=LEGACY, json_schema_extra={"deprecated": True}, examples=[True])] = False

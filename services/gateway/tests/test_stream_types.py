"""The types of events that a stream is limited to."""

import httpx
from gateway.streams.types import wanted

from services.gateway.tests.cases import each
from services.gateway.tests.sse_client import EVENTS


@each("types", ["*", "task.created,text_delta", "gap"])
def test_what_is_no_event_can_be_selected_too(types: str):
    assert wanted(types, "*.*")(types.rpartition(",")[2])


def test_types_have_a_default():
    assert not wanted(None, "*.*")("text_delta")


async def test_the_error_of_unmatched_types_explains_the_names(client: httpx.AsyncClient):
    response = await client.get(EVENTS, params={"types": "tool_*"})
    why = "types: No event type matches tool_*; names begin with their service, like session.tool_*."
    assert response.json()["detail"] == why

"""The types of events that a stream is limited to."""

import httpx
from gateway.streams.types import wanted

from services.gateway.tests.cases import each
from services.gateway.tests.sse_client import EVENTS


@each(
    ("types", "name", "matches"),
    [
        (None, "session.created", True),
        ("session.*", "session.created", True),
        ("session.*", "task.created", False),
        ("*.created", "task.created", True),
        ("session.run_*ed", "session.run_started", True),
        ("task.created, text_delta", "text_delta", True),
        ("*", "text_delta", True),
        ("session.created", "session.created_too", False),
        ("webhook.delivered", "webhook.delivered", True),
    ],
)
def test_types_may_contain_wildcards(types: str | None, name: str, matches: bool):
    assert wanted(types, "*.*")(name) is matches


def test_events_of_templates_can_be_selected():
    assert wanted("session.template_created", "*.*")("session.template_created")


async def test_the_error_of_unmatched_types_explains_the_names(client: httpx.AsyncClient):
    response = await client.get(EVENTS, params={"types": "tool_*"})
    why = "types: No event type matches tool_*; names begin with their service, like session.tool_*."
    assert response.json()["detail"] == why

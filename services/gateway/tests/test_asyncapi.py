"""The AsyncAPI document, and the page that shows it."""

import json
import re
from typing import Any
from unittest.mock import ANY

import httpx
import pytest
from contracts.event_types import EVENT_TYPES
from contracts.public_event import PublicEvent
from contracts.samples import MESSAGE, SESSION, TIME, USER
from eventing.bus.public_stream import headers
from gateway.asyncapi import RECEIVED, document
from gateway.streams.types import OTHERS
from gateway.streams.websocket_payloads import TYPES
from jsonschema import Draft202012Validator

DOCUMENT = document("AI-Agent-API", "0")
MESSAGES: dict[str, dict[str, Any]] = DOCUMENT["components"]["messages"]


def test_the_document_has_every_event_and_every_other_message() -> None:
    assert MESSAGES.keys() >= EVENT_TYPES | OTHERS | {*TYPES.values()} - {"message", "approval_requested"} - TOOLS
    assert DOCUMENT["channels"]["account"]["messages"].keys() >= EVENT_TYPES | OTHERS


@pytest.mark.parametrize("channel", ["webhook", "bus"])
def test_webhooks_and_the_bus_have_every_event_with_headers(channel: str) -> None:
    messages = DOCUMENT["channels"][channel]["messages"]
    assert messages.keys() == EVENT_TYPES
    assert all(message["headers"]["$ref"] for message in messages.values())


def test_the_headers_of_the_bus_are_those_that_are_sent() -> None:
    event = PublicEvent.of(f"evt.session.created.{USER}.{SESSION}", MESSAGE, TIME, {}, 1)
    sent = {name: value for name, value in headers(event).items() if name.startswith("ce-")}
    schema = DOCUMENT["components"]["schemas"]["CloudEventHeaders"]
    assert sent.keys() == schema["properties"].keys()
    Draft202012Validator(schema).validate(sent)  # pyright: ignore[reportUnknownMemberType]


TOOLS = {"tool_call_started", "tool_call_completed"}
"""Types of WebSockets that stand for one event each, which names them."""


def test_every_message_says_when_it_happens() -> None:
    assert [name for name, message in MESSAGES.items() if not message["summary"].endswith((".", "`."))] == []


def test_every_event_names_its_type_over_a_websocket() -> None:
    named = {name: message["x-websocket-type"] for name, message in MESSAGES.items() if name in EVENT_TYPES}
    assert named == {name: TYPES.get(name, name) for name in EVENT_TYPES}


def test_all_references_of_the_document_resolve() -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        part: Any = DOCUMENT
        for name in reference.split("/"):
            part = part[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_the_example_of_a_message_fits_its_schema(name: str) -> None:
    schema = {"$ref": "#/payload", "payload": MESSAGES[name]["payload"], "components": DOCUMENT["components"]}
    validator: Any = Draft202012Validator(schema)
    validator.validate(MESSAGES[name]["examples"][0]["payload"])


def test_the_websocket_receives_what_its_commands_accept() -> None:
    [receiving] = [each for each in DOCUMENT["operations"].values() if each["action"] == "receive"]
    assert len(receiving["messages"]) == len(RECEIVED) == 5


async def test_the_document_and_its_page_are_served_to_everybody(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/asyncapi.json")).json() == DOCUMENT | {"info": ANY}
    page = await anonymous.get("/docs/events")
    assert page.headers["content-type"].startswith("text/html")
    assert all(f'id="{name}"' in page.text for name in MESSAGES)

"""The AsyncAPI document: what streams, WebSockets, webhooks and the bus send, and what WebSockets receive."""

import re
from functools import lru_cache
from typing import Any

from contracts.catalogue import PUBLISHED_EVENTS
from contracts.messages import Event
from contracts.public_event import PublicEvent
from contracts.public_schema import ID, event_schemas, occasion
from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION, TIME, USER
from contracts.session.deltas import MAX_DELTA_CHARS
from contracts.wire import PUBLIC_PREFIX, PUBLIC_STREAM, event_name
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway.schemas.approval import WebSocketDecision
from gateway.schemas.run import NewQuery
from gateway.streams.websocket_payloads import message_type

DESCRIPTION = (
    "Events have the same data wherever they are sent. A WebSocket sends it as `data` of a message whose `type` is the "
    "one in `x-websocket-type`. New events and fields may be added in any release: ignore those that you do not know."
)
SCHEMAS = "#/components/schemas/"
TEXT: dict[str, Any] = {"type": "string"}
DELTA: dict[str, Any] = {
    "session_id": ID,
    "run_id": ID,
    "message_id": ID,
    "text": {**TEXT, "maxLength": MAX_DELTA_CHARS},
}
IDS = {"session_id": SESSION, "run_id": RUN, "message_id": MESSAGE}
OTHERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "connected": ("The stream begins.", {"resume_from": TEXT}, {"resume_from": "345"}),
    "text_delta": ("The agent writes; nothing of it is stored yet.", DELTA, IDS | {"text": "Hel"}),
    "thinking_delta": ("The agent thinks; nothing of it is stored yet.", DELTA, IDS | {"text": "First"}),
    "heartbeat": ("There were only events of others; resume from here.", {"resume_from": TEXT}, {"resume_from": "345"}),
    "gap": (
        "Events are missing, and the stream ends: connect again with this position.",
        {"resume_from": TEXT, "reason": {"enum": ["slow", "expired"]}},
        {"resume_from": "345", "reason": "slow"},
    ),
    "error": (
        "A message was refused, or the stream ends.",
        {"code": TEXT, "message": TEXT},
        {"code": "UNAUTHENTICATED", "message": "The access token has expired."},
    ),
    "result": (
        "The run has ended; the answer, as a waiting client receives it, or the problem.",
        {"run_id": ID},
        {"run_id": RUN},
    ),
    "status_change": (
        "The status of the session has changed, or a query was accepted.",
        {"session_id": ID, "run_id": {"type": ["string", "null"]}, "status": {"type": ["string", "null"]}},
        {"session_id": SESSION, "run_id": RUN, "status": "processing"},
    ),
    "pong": ("The reply to `ping`.", {}, {}),
}
"""What is sent beside events: when, the members, and an example."""
RECEIVED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "query": ("Start a run.", {"$ref": f"{SCHEMAS}NewQuery"}, NewQuery.sample),
    "interrupt": ("End the active run.", {"type": "object"}, {}),
    "approve": ("Approve a tool call.", {"$ref": f"{SCHEMAS}WebSocketDecision"}, {"approval_id": APPROVAL}),
    "deny": ("Deny a tool call.", {"$ref": f"{SCHEMAS}WebSocketDecision"}, {"approval_id": APPROVAL}),
    "ping": ("Ask for a `pong`.", {"type": "object"}, {}),
}
"""What a client sends over a WebSocket."""
STREAM = ("connected", "text_delta", "thinking_delta", "heartbeat", "gap", "error")
CHANNELS: dict[str, tuple[str, str]] = {
    "session": ("/api/v1/sessions/{session_id}/events", "The events of one session, as server-sent events."),
    "account": ("/api/v1/events", "The events of an account and all its resources, as server-sent events."),
    "everybody": ("/api/v1/admin/events", "The events of all users, for administrators, as server-sent events."),
    "socket": ("/api/v1/sessions/{session_id}/stream", "One session over a WebSocket: messages are `{type, data}`."),
    "webhook": ("{url}", "The events that a webhook wants, as signed requests (Standard Webhooks)."),
    "bus": (
        f"{PUBLIC_PREFIX}.{{user_id}}.{{type}}.{{resource_id}}",
        f"The events that a bus user wants, as CloudEvents in the stream {PUBLIC_STREAM} of NATS.",
    ),
}
HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "webhook": (
        "WebhookHeaders",
        {"webhook-id": ID, "webhook-timestamp": TEXT, "webhook-signature": TEXT},
    ),
    "bus": (
        "CloudEventHeaders",
        {
            "ce-specversion": {"const": "1.0"},
            **dict.fromkeys(("ce-id", "ce-subject"), ID),
            "ce-type": TEXT,
            "ce-source": {"type": "string", "format": "uri-reference"},
            "ce-time": {"type": "string", "format": "date-time"},
            "ce-datacontenttype": {"const": "application/json"},
            "ce-dataschema": {"type": "string", "format": "uri"},
        },
    ),
}
"""The channels whose messages have headers: the name of their schema, and its members."""
PARAMETERS = {
    "session_id": "Id of the session.",
    "url": "URL of the webhook.",
    "user_id": "Id of the account that the event belongs to.",
    "type": "Type of the event, which has two parts, like `session.created`.",
    "resource_id": "Id of the session, task and so on that the event belongs to; of an execution, its task.",
}


@lru_cache
def document(title: str, version: str) -> dict[str, Any]:
    """Return the document, in the form of AsyncAPI 3."""
    schemas, shared = event_schemas(SCHEMAS)
    received: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (NewQuery, "validation"),
        (WebSocketDecision, "validation"),
    ]
    shared |= models_json_schema(received, ref_template=f"{SCHEMAS}{{model}}")[1]["$defs"]
    own = {event_name(event.subject): schema for event, schema in schemas.items()}
    messages = {event_name(event.subject): _event(event) for event in PUBLISHED_EVENTS}
    for name, (when, members, sample) in OTHERS.items():
        messages[name] = _message(name, when, _object(members), sample)
    messages |= {f"client.{name}": _message(name, *parts) for name, parts in RECEIVED.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, *parts) for name, parts in CHANNELS.items()},
        "operations": {
            **{f"send-{name}": {"action": "send", "channel": _reference("channels", name)} for name in CHANNELS},
            "receive-socket": {
                "action": "receive",
                "channel": _reference("channels", "socket"),
                "messages": [{"$ref": f"#/channels/socket/messages/client.{name}"} for name in RECEIVED],
            },
        },
        "components": {"messages": messages, "schemas": own | shared | _headers()},
    }


def _event(event: type[Event]) -> dict[str, Any]:
    name, state = event_name(event.subject), event.example().model_dump(mode="json")
    payload = PublicEvent.of(f"{event.subject}.{USER}.{SESSION}", MESSAGE, TIME, state, 345).payload()
    message = _message(name, occasion(event), {"$ref": f"{SCHEMAS}{name}"}, payload)
    return message | {"x-version": event.version, "x-websocket-type": message_type(name)}


def _message(name: str, when: str, payload: dict[str, Any], sample: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "summary": when, "payload": payload, "examples": [{"name": name, "payload": sample}]}


def _object(members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": [*members]}


def _headers() -> dict[str, dict[str, Any]]:
    return {name: _object(members) for name, members in HEADERS.values()}


def _channel(name: str, address: str, description: str) -> dict[str, Any]:
    parameters = {each: {"description": PARAMETERS[each]} for each in re.findall(r"{(\w+)}", address)}
    messages = _with_headers(HEADERS[name][0]) if name in HEADERS else _messages(name, address)
    return {"address": address, "description": description, "parameters": parameters, "messages": messages}


def _with_headers(schema: str) -> dict[str, Any]:
    """Return the messages of a channel that has every event, with headers."""
    names = {event_name(event.subject): occasion(event) for event in PUBLISHED_EVENTS}
    headers = _reference("components/schemas", schema)
    return {
        name: {"name": name, "summary": when, "headers": headers, "payload": {"$ref": f"{SCHEMAS}{name}"}}
        for name, when in names.items()
    }


def _messages(name: str, address: str) -> dict[str, Any]:
    events = [event_name(event.subject) for event in PUBLISHED_EVENTS]
    of_session = [each for each in events if each.startswith("session.") and "template" not in each]
    sent = [*(of_session if "{session_id}" in address else events), *STREAM]
    if name == "socket":
        sent += ["result", "status_change", "pong", *(f"client.{each}" for each in RECEIVED)]
    return {each: _reference("components/messages", each) for each in sent}


def _reference(where: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/{where}/{name}"}

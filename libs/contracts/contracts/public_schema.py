"""The JSON Schema of events in their public form."""

from typing import Any

from pydantic.json_schema import models_json_schema

from contracts.catalogue import PUBLISHED_EVENTS
from contracts.messages import Event
from contracts.wire import event_name

ID: dict[str, Any] = {"type": "string", "format": "uuid"}
COMMON: dict[str, Any] = {
    "event_id": ID,
    "sequence": {"type": "integer"},
    "time": {"type": "string", "format": "date-time"},
    "user_id": ID,
    "session_id": {"type": ["string", "null"], "format": "uuid"},
    "resource_id": ID,
}
"""What all events have, beside their `type`."""


def occasion(event: type[Event]) -> str:
    """Return the sentence that says when an event happens."""
    return " ".join((event.__doc__ or "").partition("\n\n")[0].split())


def event_schemas(references: str) -> tuple[dict[type[Event], dict[str, Any]], dict[str, Any]]:
    """Return the schemas of all events, and the definitions that they refer to as `references` + name."""
    names, definitions = models_json_schema(
        [(each, "serialization") for each in PUBLISHED_EVENTS], ref_template=f"{references}{{model}}"
    )
    shared: dict[str, Any] = definitions["$defs"]
    refs = {event: names[event, "serialization"]["$ref"].removeprefix(references) for event in PUBLISHED_EVENTS}
    own = {event: shared.pop(name) for event, name in refs.items()}
    for definition in shared.values():
        definition.pop("discriminator", None)  # of OpenAPI: in AsyncAPI it means something else
        if "description" in definition:
            definition["description"] = definition["description"].partition("\n\n")[0]
    shared["Usage"]["properties"]["cost_usd"] = {"type": "number", "minimum": 0}  # stored as a string
    return {event: _payload(event, own[event]) for event in PUBLISHED_EVENTS}, shared


def _payload(event: type[Event], own: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an event: its own fields, and those of all events."""
    common = {"type": {"const": event_name(event.subject)}, **COMMON}
    properties = {name: each for name, each in own["properties"].items() if name not in event.internal}
    required = [*common, *(name for name in own.get("required", []) if name not in common)]
    return {
        "type": "object",
        "title": own["title"],
        "description": occasion(event),
        "properties": properties | common,
        "required": required,
    }

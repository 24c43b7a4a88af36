"""The catalogue of published events, for people (`docs/guides/events.md`) and for programs (a JSON Schema).

`python -m tests.contracts.events` writes both.
"""

import inspect
import json
from pathlib import Path
from typing import Any

from contracts.catalogue import EVENTS
from contracts.messages import Event
from contracts.wire import event_name
from pydantic.json_schema import models_json_schema

DOCS = Path(__file__).parents[2] / "docs"
GUIDE, SCHEMA = DOCS / "guides" / "events.md", DOCS / "schemas" / "events.schema.json"
REFERENCE = "#/$defs/{model}"
INTRODUCTION = """# Catalogue of events

The names and the fields of all events that [streams](streams.md) send and that [the audit log](audit.md) and
[tasks](tasks.md#events) name. [events.schema.json](../schemas/events.schema.json) is their JSON Schema. Large values
are truncated in streams. Each event has also `type`, `event_id`, `sequence`, `time`, `user_id`, `session_id` and
`resource_id`. New events and new fields may be added in any release: ignore those that you do not know.

`make golden` writes this page from the code.
"""
ENVELOPE: dict[str, Any] = {
    "event_id": {"type": "string", "format": "uuid"},
    "sequence": {"type": "integer"},
    "time": {"type": "string", "format": "date-time"},
    "user_id": {"type": "string", "format": "uuid"},
    "session_id": {"type": ["string", "null"], "format": "uuid"},
    "resource_id": {"type": "string", "format": "uuid"},
}


def published() -> dict[str, list[type[Event]]]:
    """Return the published events of each service."""
    return {service: [event for event in events if event.published] for service, events in EVENTS.items()}


def guide() -> str:
    """Return the page for people."""
    sections = [INTRODUCTION]
    for service, events in published().items():
        sections.append(f"## {service}\n\n| event | when | fields |\n|---|---|---|\n{''.join(map(_row, events))}")
    return "\n".join(sections)


def _row(event: type[Event]) -> str:
    when = " ".join(inspect.cleandoc(event.__doc__ or "").partition("\n\n")[0].split())
    fields = ", ".join(f"`{field.alias or name}`" for name, field in event.model_fields.items())
    return f"| `{event_name(event.subject)}` | {when} | {fields} |\n"


def schema() -> str:
    """Return the JSON Schema of what streams send as an event."""
    events = [event for of_service in published().values() for event in of_service]
    references, definitions = models_json_schema([(each, "serialization") for each in events], ref_template=REFERENCE)
    for definition in definitions["$defs"].values():
        if "description" in definition:
            definition["description"] = definition["description"].partition("\n\n")[0]
    own = {
        event: definitions["$defs"].pop(references[event, "serialization"]["$ref"][len("#/$defs/") :])
        for event in events
    }
    definitions["$defs"]["Usage"]["properties"]["cost_usd"] = {"type": "number", "minimum": 0}  # stored as a string
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of a stream of AI-Agent-API",
        "oneOf": [_payload(event, own[event]) for event in events],
        "$defs": definitions["$defs"],
    }
    return json.dumps(document, indent=1) + "\n"


def _payload(event: type[Event], own: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an event: its own fields, and those of all events."""
    common = {"type": {"const": event_name(event.subject)}, **ENVELOPE}
    required = [*common, *(name for name in own.get("required", []) if name not in common)]
    described = {name: own[name] for name in ("title", "description") if name in own}
    return {"type": "object", **described, "properties": own["properties"] | common, "required": required}


if __name__ == "__main__":
    GUIDE.write_text(guide())
    SCHEMA.write_text(schema())

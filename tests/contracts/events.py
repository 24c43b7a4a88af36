"""The catalogue of published events, for people (`docs/guides/events.md`) and for programs (JSON Schema and AsyncAPI).

`python -m tests.contracts.events` writes them.
"""

import json
from pathlib import Path

from contracts.catalogue import EVENTS
from contracts.messages import Event
from contracts.public_schema import event_schemas, occasion
from contracts.wire import event_name
from gateway.asyncapi import document

DOCS = Path(__file__).parents[2] / "docs"
GUIDE, SCHEMA = DOCS / "guides" / "events.md", DOCS / "schemas" / "events.schema.json"
ASYNCAPI = DOCS / "schemas" / "asyncapi.json"
REFERENCES = "#/$defs/"
INTRODUCTION = """# Catalogue of events

The names and the fields of all events that [streams](streams.md), [webhooks](webhooks.md) and [NATS](bus.md) send,
and that [the audit log](audit.md) and [tasks](tasks.md#events) name.
[events.schema.json](../schemas/events.schema.json) is their JSON Schema. A server describes them, and what sends
them, at `/asyncapi.json` ([AsyncAPI](https://www.asyncapi.com) 3) and, with examples, at `/docs/events`. Large values
are truncated in streams. Each event has also `type`, `event_id`, `sequence`, `time`, `user_id`, `session_id` and
`resource_id`. New events and new fields may be added in any release: ignore those that you do not know.

A change that would break a program, such as another name of a field, makes a new version of this form. Streams and
pages send version 1, and a [webhook](webhooks.md) the `payload_version` that it was created with, so a program gets the
version that it was written for, for events of all releases. Version 1 is the only one yet.

`make golden` writes this page from the code.
"""


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
    fields = ", ".join(
        f"`{field.alias or name}`" for name, field in event.model_fields.items() if name not in event.internal
    )
    return f"| `{event_name(event.subject)}` | {occasion(event)} | {fields} |\n"


def schema() -> str:
    """Return the JSON Schema of what streams send as an event."""
    events, definitions = event_schemas(REFERENCES)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of a stream of AI-Agent-API",
        "oneOf": [*events.values()],
        "$defs": definitions,
    }
    return json.dumps(document, indent=1) + "\n"


def asyncapi() -> str:
    """Return the AsyncAPI document, without the version of the release."""
    return json.dumps(document("AI-Agent-API", "0"), indent=1) + "\n"


if __name__ == "__main__":
    ASYNCAPI.write_text(asyncapi())
    GUIDE.write_text(guide())
    SCHEMA.write_text(schema())

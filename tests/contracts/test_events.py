import json
from typing import Any

from contracts.catalogue import PUBLISHED_EVENTS
from contracts.messages import Event
from contracts.wire import event_name
from jsonschema import Draft202012Validator

from tests.contracts.events import GUIDE, SCHEMA, guide, schema

VALIDATOR: Any = Draft202012Validator(json.loads(schema()))


def test_the_catalogue_of_events_matches_the_code() -> None:
    assert GUIDE.read_text() == guide(), "Run `make golden` and review the diff."


def test_the_schema_of_events_matches_the_code() -> None:
    assert SCHEMA.read_text() == schema(), "Run `make golden` and review the diff."


def test_the_examples_of_all_events_fit_the_schema() -> None:
    errors = {
        event.subject: [error.message for error in VALIDATOR.iter_errors(_sent(event))] for event in PUBLISHED_EVENTS
    }
    assert {subject: found for subject, found in errors.items() if found} == {}


def _sent(event: type[Event]) -> dict[str, Any]:
    return {
        "type": event_name(event.subject),
        "session_id": None,
        "resource_id": "0197a1f0-0000-7000-8000-000000000002",
        "sequence": 1,
        "at": "2026-11-26T09:00:00Z",
        "data": event.example().model_dump(mode="json"),
    }

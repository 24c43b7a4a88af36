import json
from pathlib import Path
from typing import Any

from contracts.catalogue import PUBLISHED_EVENTS
from contracts.messages import Event
from contracts.public_event import PublicEvent
from contracts.samples import API_KEY, SESSION, TIME, USER
from jsonschema import Draft7Validator, Draft202012Validator

from tests.contracts.events import ASYNCAPI, GUIDE, SCHEMA, asyncapi, guide, schema

OFFICIAL = Path(__file__).parent / "vendor" / "asyncapi-3.0.0.json"
VALIDATOR: Any = Draft202012Validator(json.loads(schema()))


def test_the_catalogue_of_events_matches_the_code() -> None:
    assert GUIDE.read_text() == guide(), "Run `make golden` and review the diff."


def test_the_asyncapi_document_matches_the_code() -> None:
    assert ASYNCAPI.read_text() == asyncapi(), "Run `make golden` and review the diff."


def test_the_asyncapi_document_is_valid_by_the_official_schema() -> None:
    validator: Any = Draft7Validator(json.loads(OFFICIAL.read_text()))
    assert [(list(error.absolute_path), error.message) for error in validator.iter_errors(json.loads(asyncapi()))] == []


def test_the_schema_of_events_matches_the_code() -> None:
    assert SCHEMA.read_text() == schema(), "Run `make golden` and review the diff."


def test_the_examples_of_all_events_fit_the_schema() -> None:
    errors = {
        event.subject: [error.message for error in VALIDATOR.iter_errors(_sent(event))] for event in PUBLISHED_EVENTS
    }
    assert {subject: found for subject, found in errors.items() if found} == {}


def _sent(event: type[Event]) -> dict[str, Any]:
    state = event.example().model_dump(mode="json")
    return PublicEvent.of(f"{event.subject}.{USER}.{SESSION}", API_KEY, TIME, state, 1).payload()

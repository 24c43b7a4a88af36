import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import pytest
from contracts.messages import BusMessage, Command, Event, Query, reply_adapter, result_type
from pydantic import BaseModel, ValidationError

from tests.contracts.catalog import messages

MESSAGES = messages()
PREFIX = {Command: "cmd", Query: "qry", Event: "evt"}

QUESTIONS = [cast(type[Query[Any]], kind) for kind in MESSAGES if issubclass(kind, Command | Query)]
COMMANDS = [cast(type[Command[Any]], kind) for kind in MESSAGES if issubclass(kind, Command)]
EVENTS = [kind for kind in MESSAGES if issubclass(kind, Event)]


def each(kinds: Sequence[type[BusMessage]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.__name__)


def test_messages_of_all_services_are_found() -> None:
    assert {"identity", "session"} <= {kind.__module__.split(".")[1] for kind in MESSAGES}


def test_no_two_messages_have_one_subject() -> None:
    assert [subject for subject, n in Counter(kind.subject for kind in MESSAGES).items() if n > 1] == []


@each(MESSAGES)
def test_a_subject_names_the_kind_the_service_and_one_word(kind: type[BusMessage]) -> None:
    [prefix] = [prefix for base, prefix in PREFIX.items() if issubclass(kind, base)]
    service = kind.__module__.split(".")[1]
    assert re.fullmatch(rf"{prefix}\.{service}\.[a-z][a-z0-9_]*", kind.subject)


@each(MESSAGES)
def test_a_message_survives_serialization(kind: type[BusMessage]) -> None:
    example = kind.example()
    assert kind.model_validate_json(example.model_dump_json()) == example


@each(MESSAGES)
def test_a_message_with_an_unknown_field_is_rejected(kind: type[BusMessage]) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        kind.model_validate({**kind.sample, "unknown": 1})


@each(MESSAGES)
def test_every_part_of_a_message_is_frozen_and_strict_about_fields(kind: type[BusMessage]) -> None:
    loose = [part for part in _parts(kind.example()) if not part.model_config.get("frozen") or _lets_extra(part)]
    assert loose == []


@each(QUESTIONS)
def test_a_query_declares_its_result_type(kind: type[Query[Any]]) -> None:
    assert reply_adapter(result_type(kind)).json_schema()["discriminator"]["propertyName"] == "kind"


@each(COMMANDS)
def test_the_outcome_of_a_command_is_what_its_query_answers(kind: type[Command[Any]]) -> None:
    outcome = kind.example().outcome()
    assert outcome is None or result_type(type(outcome)) == result_type(kind)


@each(EVENTS)
def test_an_event_does_not_upcast_a_version_that_it_never_had(kind: type[Event]) -> None:
    with pytest.raises(ValueError, match="no version"):
        kind.upcast(kind.version + 1, {})


def _parts(value: object) -> list[BaseModel]:
    match value:
        case BaseModel():
            return [value, *(part for _, field in value for part in _parts(field))]
        case list() | tuple():
            return [part for item in cast(list[object], value) for part in _parts(item)]
        case _:
            return []


def _lets_extra(part: BaseModel) -> bool:
    return part.model_config.get("extra") != "forbid"

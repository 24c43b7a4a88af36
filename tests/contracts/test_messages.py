"""Rules for every message. A test names all messages for which it does not hold."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
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


def failing[Kind: BusMessage](holds: Callable[[type[Kind]], object], kinds: Sequence[type[Kind]]) -> dict[str, str]:
    """Return the names of the messages for which something does not hold, or why it cannot be found out."""
    found: dict[str, str] = {}
    for kind in kinds:
        try:
            if not holds(kind):
                found[kind.__qualname__] = "does not hold"
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  the other messages are looked at as well
            found[kind.__qualname__] = repr(error)
    return found


def test_messages_of_all_services_are_found() -> None:
    assert {"identity", "session"} <= {kind.__module__.split(".")[1] for kind in MESSAGES}


def test_no_two_messages_have_one_subject() -> None:
    assert [subject for subject, n in Counter(kind.subject for kind in MESSAGES).items() if n > 1] == []


def test_a_subject_names_the_kind_the_service_and_one_word() -> None:
    def is_named(kind: type[BusMessage]) -> bool:
        [prefix] = [prefix for base, prefix in PREFIX.items() if issubclass(kind, base)]
        service = kind.__module__.split(".")[1]
        return re.fullmatch(rf"{prefix}\.{service}\.[a-z][a-z0-9_]*", kind.subject) is not None

    assert failing(is_named, MESSAGES) == {}


def test_a_message_survives_serialization() -> None:
    def survives(kind: type[BusMessage]) -> bool:
        example = kind.example()
        return kind.model_validate_json(example.model_dump_json()) == example

    assert failing(survives, MESSAGES) == {}


def test_a_message_with_an_unknown_field_is_rejected() -> None:
    def rejects(kind: type[BusMessage]) -> bool:
        with pytest.raises(ValidationError) as rejected:
            kind.model_validate({**kind.sample, "no_such_field": 1})
        return "extra_forbidden" in str(rejected.value)

    assert failing(rejects, MESSAGES) == {}


def test_every_part_of_a_message_is_frozen_and_strict_about_fields() -> None:
    assert failing(lambda kind: all(map(_is_strict, _parts(kind.example()))), MESSAGES) == {}


def test_a_query_declares_its_result_type() -> None:
    @cache
    def names_its_kind(result: Any) -> bool:
        return reply_adapter(result).json_schema()["discriminator"]["propertyName"] == "kind"

    assert failing(lambda kind: names_its_kind(result_type(kind)), QUESTIONS) == {}


def test_the_outcome_of_a_command_is_what_its_query_answers() -> None:
    def is_answered(kind: type[Command[Any]]) -> bool:
        outcome = kind.example().outcome()
        return outcome is None or result_type(type(outcome)) == result_type(kind)

    assert failing(is_answered, COMMANDS) == {}


def test_an_event_does_not_upcast_a_version_that_it_never_had() -> None:
    def refuses(kind: type[Event]) -> bool:
        with pytest.raises(ValueError, match="no version"):
            kind.upcast(kind.version + 1, {})
        return True

    assert failing(refuses, EVENTS) == {}


def _parts(value: object) -> list[BaseModel]:
    match value:
        case BaseModel():
            return [value, *(part for _, field in value for part in _parts(field))]
        case list() | tuple():
            return [part for item in cast(list[object], value) for part in _parts(item)]
        case _:
            return []


def _is_strict(part: BaseModel) -> bool:
    return bool(part.model_config.get("frozen")) and part.model_config.get("extra") == "forbid"

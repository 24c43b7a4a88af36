"""The form in which clients and webhooks receive events."""

import json
from typing import Any
from uuid import UUID

import pytest
from contracts import public_event
from contracts.catalogue import PUBLISHED_EVENTS
from contracts.messages import Event
from contracts.public_event import PublicEvent, previewed
from contracts.session.conversation import MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.run import RunCompleted, RunRequested
from contracts.task_scheduler.task import TaskCreated
from contracts.wire import MAX_INLINE_BYTES, PREVIEW_CHARACTERS

OWNER, ID = "0197a1f0-0000-7000-8000-00000000000a", "0197a1f0-0000-7000-8000-00000000000b"
TASK = "0197a1f0-0000-7000-8000-00000000000c"
LONG = "\N{EURO SIGN}" * (MAX_INLINE_BYTES // 3 + 1)
SIZE = len(LONG.encode())
CUT = {"truncated": True, "size_bytes": SIZE}


@pytest.mark.parametrize("event", [MessageRecorded, RunRequested, TaskCreated, ToolCallEnded, ToolCallStarted])
def test_small_events_are_not_truncated(event: Any) -> None:
    data = event.example().model_dump(mode="json")
    assert previewed(data) == data


@pytest.mark.parametrize("name", ["tool_input", "tool_output", "structured_output"])
def test_a_large_value_is_replaced_by_its_size_and_beginning(name: str) -> None:
    value = previewed({name: {"content": LONG}})[name]
    assert (value["truncated"], value["size_bytes"]) == (True, SIZE + len('{"content": ""}'))
    assert value["preview"] == f'{{"content": "{LONG}'[:PREVIEW_CHARACTERS]


def test_a_missing_output_stays_null() -> None:
    assert previewed({"tool_output": None}) == {"tool_output": None}


@pytest.mark.parametrize("kind", ["text", "thinking"])
def test_long_text_of_the_agent_is_truncated(kind: str) -> None:
    small = {"type": kind, kind: "short"}
    value = previewed({"blocks": [small, {"type": kind, kind: LONG}]})
    assert value == {"blocks": [small, {"type": kind, kind: LONG[:PREVIEW_CHARACTERS]} | CUT]}


def test_a_large_input_in_a_tool_use_block_is_truncated() -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {"content": LONG}}
    [value] = previewed({"blocks": [block]})["blocks"]
    assert value["input"]["truncated"]
    assert value | {"input": None} == block | {"input": None}


def test_a_long_message_of_the_user_is_truncated() -> None:
    assert previewed({"message": LONG}) == {"message": LONG[:PREVIEW_CHARACTERS]} | CUT


def test_long_prompts_and_variables_of_a_task_are_truncated() -> None:
    definition = previewed({"definition": {"prompt_template": LONG, "variables": {"log": LONG}}})["definition"]
    assert definition["prompt_template"] == LONG[:PREVIEW_CHARACTERS]
    assert (definition["truncated"], definition["variables"]["truncated"]) == (True, True)


def test_a_long_prompt_of_an_execution_is_truncated() -> None:
    assert previewed({"prompt": LONG}) == {"prompt": LONG[:PREVIEW_CHARACTERS]} | CUT


def test_costs_are_numbers() -> None:
    data = RunCompleted.model_validate(RunCompleted.sample | {"usage": {"cost_usd": "0.0012"}}).model_dump(mode="json")
    assert previewed(data)["usage"]["cost_usd"] == 0.0012


def public(subject: str, **state: Any) -> PublicEvent:
    return PublicEvent.of(f"evt.{subject}.{OWNER}.{ID}", "one", "2026-11-30T09:00:00.5+00:00", state, 7)


def test_the_public_form_names_the_owner_the_resource_and_the_time() -> None:
    event = public("session.run_started", run_id="1")
    assert (event.type, event.owner, event.resource) == ("session.run_started", UUID(OWNER), UUID(ID))
    assert (event.time, event.sequence, event.data) == ("2026-11-30T09:00:00.5Z", 7, {"run_id": "1"})


@pytest.mark.parametrize(
    ("subject", "state", "belongs_to"),
    [
        ("session.run_started", {}, ID),
        ("session.deleted", {}, None),
        ("session.template_created", {}, None),
        ("identity.user_registered", {}, None),
        ("task_scheduler.created", {}, ID),
        ("task_scheduler.deleted", {}, None),
        ("task_scheduler.execution_started", {"task_id": TASK}, TASK),
    ],
)
def test_an_event_belongs_to_its_session_or_task(subject: str, state: Any, belongs_to: str | None) -> None:
    assert public(subject, **state).belongs_to == (belongs_to and UUID(belongs_to))


def test_the_payload_has_the_fields_beside_what_all_events_have() -> None:
    assert public("session.run_started", run_id="1").payload() == {
        "run_id": "1",
        "type": "session.run_started",
        "event_id": "one",
        "sequence": 7,
        "time": "2026-11-30T09:00:00.5Z",
        "user_id": OWNER,
        "session_id": ID,
        "resource_id": ID,
    }


def test_internal_fields_are_no_part_of_the_payload() -> None:
    state = MessageRecorded.sample | {"entry_id": ID, "message_id": ID}
    payload = PublicEvent.of(f"{MessageRecorded.subject}.{OWNER}.{ID}", "one", "", state).payload()
    assert (payload["message_id"], "entry_id" in payload) == (ID, False)


def test_an_event_of_an_execution_names_its_session() -> None:
    assert public("task_scheduler.execution_started", session_id=TASK).payload()["session_id"] == TASK


@pytest.mark.parametrize("event", PUBLISHED_EVENTS)
def test_no_field_of_an_event_is_hidden_by_the_payload(event: type[Event]) -> None:
    common = public("session.run_started").payload().keys() - {"user_id", "session_id"}
    assert not common & event.model_fields.keys()


def test_the_deletion_of_a_session_says_that_it_is_terminated() -> None:
    assert public("session.deleted").payload()["status"] == "terminated"


class Renamed(Event):
    """The second version of an event, stored and public, in which a field has another name."""

    subject = "evt.session.run_started"
    version = 2
    sample = {"cups": 2}

    cups: int

    @classmethod
    def upcast(cls, version: int, state: dict[str, Any]) -> dict[str, Any]:
        return {"cups": state["glasses"]} if version == 1 else super().upcast(version, state)

    @classmethod
    def downcast(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        return {"glasses": data["cups"]} if version == 1 else data


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish events in a second version."""
    monkeypatch.setitem(public_event.KINDS, "session.run_started", Renamed)
    monkeypatch.setattr(public_event, "PAYLOAD_VERSION", 2)


def read(version: str, state: dict[str, int]) -> PublicEvent:
    headers = {"ce-id": "one", "ce-time": "2026-11-30T09:00:00+00:00", "fact-version": version}
    return PublicEvent.read(f"{Renamed.subject}.{OWNER}.{ID}", headers, json.dumps(state), 7)


@pytest.mark.parametrize(("version", "state"), [("1", {"glasses": 2}), ("2", {"cups": 2}), ("3", {"cups": 2})])
def test_events_of_all_versions_are_read_in_their_present_form(
    renamed: None, version: str, state: dict[str, int]
) -> None:
    event = read(version, state)
    assert (event.id, event.type, event.sequence, event.data) == ("one", "session.run_started", 7, {"cups": 2})


@pytest.mark.parametrize(("version", "state"), [("1", {"glasses": 2}), ("2", {"cups": 2})])
def test_receivers_get_the_version_of_the_form_that_they_know(
    renamed: None, version: str, state: dict[str, int]
) -> None:
    event = read(version, state)
    assert (event.in_version(1).data, event.in_version(2).data) == ({"glasses": 2}, {"cups": 2})
    assert event.in_version(1).payload().keys() == event.payload().keys() - {"cups"} | {"glasses"}


def test_an_event_without_a_change_is_the_same_in_all_versions(renamed: None) -> None:
    for event in (public("session.paused"), public("session.sung", song="la")):
        assert event.in_version(1) == event


def test_an_event_of_a_kind_that_is_not_known_is_read_as_it_is() -> None:
    event = PublicEvent.read(f"evt.session.sung.{OWNER}.{ID}", {"fact-version": "1"}, '{"song": "la"}')
    assert (event.type, event.data) == ("session.sung", {"song": "la"})

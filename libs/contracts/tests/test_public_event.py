"""The form in which clients and webhooks receive events."""

from typing import Any
from uuid import UUID

import pytest
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


def test_the_deletion_of_a_session_says_that_it_is_terminated() -> None:
    assert public("session.deleted").payload()["status"] == "terminated"

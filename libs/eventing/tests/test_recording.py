"""Which events can be stored, and which errors they cause otherwise."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Event
from contracts.samples import RUN, SESSION
from contracts.session.conversation import MessageRecorded
from contracts.session.run import RunCompleted, RunFailed
from eventing.recording import MAX_EVENT_BYTES, Change, EventMapper, EventTooLarge, EventUnreadable
from eventing.testing.messages import LockSet

AT = datetime(2026, 11, 25, tzinfo=UTC)


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else 1


def run_completed(levels: int) -> Event:
    return RunCompleted.model_validate({**RunCompleted.sample, "structured_output": deep(levels)})


def tool_called(levels: int) -> Event:
    block = {"type": "tool_use", "id": "t", "tool_call_id": RUN, "name": "T", "input": deep(levels)}
    return MessageRecorded.model_validate({**MessageRecorded.sample, "blocks": [block]})


@pytest.mark.parametrize("event", [run_completed(201), run_completed(250), tool_called(200), tool_called(245)])
def test_an_event_nested_too_deeply_to_be_read_back_is_not_stored(event: Event) -> None:
    with pytest.raises(EventUnreadable, match=event.subject):
        EventMapper().to_stored_event(Change(UUID(SESSION), 1, AT, event))


@pytest.mark.parametrize("event", [run_completed(150), tool_called(150)])
def test_a_deeply_nested_event_is_read_back(event: Event) -> None:
    stored = EventMapper().to_stored_event(Change(UUID(SESSION), 1, AT, event))
    assert EventMapper().to_event(stored.topic, stored.state, {event.subject: type(event)}) == event


def test_the_error_of_an_unreadable_event_does_not_contain_its_payload() -> None:
    with pytest.raises(EventUnreadable) as unreadable:
        EventMapper().to_event("evt.jar.lock_set;1", b'{"code": ["plantedsecret"]}', {LockSet.subject: LockSet})
    assert "plantedsecret" not in str(unreadable.value)


def test_an_event_too_large_for_the_bus_is_not_stored() -> None:
    event = RunFailed.model_validate({**RunFailed.sample, "run_id": RUN, "error_detail": "x" * MAX_EVENT_BYTES})
    with pytest.raises(EventTooLarge, match=r"evt\.session\.run_failed"):
        EventMapper().to_stored_event(Change(UUID(SESSION), 1, AT, event))

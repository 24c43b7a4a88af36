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


def answered(levels: int) -> Event:
    return RunCompleted.model_validate({**RunCompleted.sample, "structured_output": deep(levels)})


def called(levels: int) -> Event:
    block = {"type": "tool_use", "id": "t", "tool_call_id": RUN, "name": "T", "input": deep(levels)}
    return MessageRecorded.model_validate({**MessageRecorded.sample, "blocks": [block]})


@pytest.mark.parametrize("event", [answered(201), answered(250), called(200), called(245)])
def test_an_event_that_nobody_could_read_back_is_not_stored(event: Event) -> None:
    with pytest.raises(EventUnreadable, match=event.subject):
        EventMapper().to_stored_event(Change(UUID(SESSION), 1, AT, event))


@pytest.mark.parametrize("event", [answered(150), called(150)])
def test_an_event_as_deep_as_is_read_is_stored(event: Event) -> None:
    stored = EventMapper().to_stored_event(Change(UUID(SESSION), 1, AT, event))
    assert EventMapper().to_event(stored.topic, stored.state, {event.subject: type(event)}) == event


def test_what_is_said_of_an_event_that_cannot_be_read_is_not_what_it_holds() -> None:
    with pytest.raises(EventUnreadable) as unreadable:
        EventMapper().to_event("evt.jar.lock_set;1", b'{"code": ["sesame"]}', {LockSet.subject: LockSet})
    assert "sesame" not in str(unreadable.value)


def test_an_event_that_the_bus_would_not_carry_is_not_stored() -> None:
    event = RunFailed.model_validate({**RunFailed.sample, "run_id": RUN, "error_detail": "x" * MAX_EVENT_BYTES})
    with pytest.raises(EventTooLarge, match=r"evt\.session\.run_failed"):
        EventMapper().to_stored_event(Change(UUID(SESSION), 1, AT, event))

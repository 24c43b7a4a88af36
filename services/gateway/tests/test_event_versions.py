"""A program that was written for the first version of events reads streams of later versions, too."""

import json
from typing import Any

import pytest
from contracts import public_event
from contracts.messages import Event
from contracts.samples import SESSION, TIME, USER
from gateway.streams.items import PublishedEvent
from runtime.bus.stream_reader import StreamMessage


class Renamed(Event):
    """The second version of an event, in which a field has another name."""

    subject = "evt.session.run_started"
    version = 2
    sample = {"cups": 2}

    cups: int

    @classmethod
    def downcast(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        return {"glasses": data["cups"]}


def test_streams_send_the_first_version_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(public_event.KINDS, "session.run_started", Renamed)
    monkeypatch.setattr(public_event, "PAYLOAD_VERSION", 2)
    headers = {"ce-id": "one", "ce-time": TIME, "fact-version": "2"}
    message = StreamMessage(f"{Renamed.subject}.{USER}.{SESSION}", 7, headers, b'{"cups": 2}')
    event = PublishedEvent.read(message)
    assert json.loads(event.text).items() >= {"type": "session.run_started", "sequence": 7, "glasses": 2}.items()
    assert event.data == {"glasses": 2}

"""Events on the wire: subjects, headers, and reading them back."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor, Credential
from contracts.samples import TRIGGER
from contracts.task_scheduler.trigger import TriggerRotated
from contracts.wire import event_stream
from eventing.bus import wire
from eventing.recording import Recorded
from eventing.testing.messages import JAR, JarOpened, MarbleAdded
from runtime import clock
from runtime.bus.envelope import Envelope

OWNER = UUID(int=7)
CAUSE = Envelope.begin(correlation_id="story", actor=Actor(user_id=JAR, role="user")).within(5)
RECORDED: Recorded[Any] = Recorded(JAR, 3, clock.now(), MarbleAdded.example(), CAUSE, OWNER)
HEADERS = wire.headers(RECORDED, "jar")
BODY = RECORDED.event.model_dump_json().encode()


def test_the_stream_is_named_after_its_service() -> None:
    assert event_stream("task_scheduler") == "EVT_TASK_SCHEDULER"


def test_the_subject_has_the_kind_the_owner_and_the_aggregate() -> None:
    assert wire.subject(RECORDED) == f"evt.jar.marble_added.{OWNER}.{JAR}"


def test_the_headers_are_those_of_a_cloud_event() -> None:
    time = HEADERS["ce-time"]
    assert datetime.fromisoformat(time) == RECORDED.at
    assert {name: value for name, value in HEADERS.items() if name.startswith("ce-")} == {
        "ce-id": HEADERS["ce-id"],
        "ce-specversion": "1.0",
        "ce-type": "evt.jar.marble_added",
        "ce-source": "/jar",
        "ce-subject": str(JAR),
        "ce-time": time,
        "ce-datacontenttype": "application/json",
    }


def test_an_event_has_the_same_id_each_time_it_is_published() -> None:
    assert wire.headers(RECORDED, "jar")["ce-id"] == HEADERS["ce-id"]
    other = Recorded(JAR, 4, RECORDED.at, RECORDED.event, CAUSE, OWNER)
    assert wire.headers(other, "jar")["ce-id"] != HEADERS["ce-id"]


def test_an_event_is_read_back_with_the_id_of_its_cause() -> None:
    read = wire.read(MarbleAdded, HEADERS, BODY)
    assert (read.id, read.version, read.at, read.event, read.owner) == (JAR, 3, RECORDED.at, RECORDED.event, OWNER)
    assert read.envelope.causation_id == CAUSE.message_id
    assert (read.envelope.correlation_id, read.envelope.actor) == ("story", CAUSE.actor)


def test_an_event_has_no_deadline() -> None:
    assert wire.read(MarbleAdded, HEADERS, BODY).envelope.deadline is None


def test_an_event_of_an_old_version_is_read_in_the_current_form() -> None:
    old = HEADERS | {"fact-version": "1"}
    assert wire.read(MarbleAdded, old, b'{"colour": "red"}').event == MarbleAdded(colour="red", size=1)


@pytest.mark.parametrize("missing", ["fact-version", "ce-subject", "aggregate-version", "ce-time", "ce-id", "owner"])
def test_an_event_that_lacks_a_header_is_not_read(missing: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        wire.read(MarbleAdded, {name: value for name, value in HEADERS.items() if name != missing}, BODY)


def test_an_event_of_another_kind_is_not_read() -> None:
    with pytest.raises(ValueError, match=r"evt\.jar\.opened;2 is not known here"):
        wire.read(JarOpened, HEADERS, BODY)


def test_the_headers_of_a_stored_event_are_those_that_consumers_read() -> None:
    assert wire.EventHeaders.read(HEADERS) == wire.EventHeaders.of(RECORDED)


def test_the_headers_name_a_resource_within_the_aggregate() -> None:
    recorded = replace(RECORDED, event=TriggerRotated.example())
    headers = wire.headers(recorded, "task_scheduler")
    assert wire.EventHeaders.read(headers).resource == ("trigger", UUID(TRIGGER))
    assert wire.EventHeaders.read(headers) == wire.EventHeaders.of(recorded)


def test_the_headers_of_an_unknown_event_are_read() -> None:
    assert wire.EventHeaders.read(HEADERS | {"ce-type": "evt.jar.exploded", "fact-version": "7"}).version == 3


def test_headers_fit_into_the_space_reserved_for_them() -> None:
    address, key = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Credential(kind="api_key", id=UUID(int=3))
    largest = Envelope(UUID(int=1), "x" * 128, UUID(int=2), CAUSE.actor, "0" * 55, clock.now(), address, key)
    size = sum(len(f"{name}: {value}\r\n") for name, value in wire.headers(Recorded(*_fields(largest)), "jar").items())
    assert size < wire.HEADROOM / 4  # the relay and dead letters add more headers


def _fields(envelope: Envelope) -> tuple[UUID, int, datetime, MarbleAdded, Envelope, UUID]:
    return JAR, 2**31, RECORDED.at, RECORDED.event, envelope, OWNER

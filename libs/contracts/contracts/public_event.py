"""The public form of events: what streams, webhooks and other subscribers outside the services receive."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Self
from uuid import UUID

from contracts.catalogue import PUBLISHED_EVENTS, events_of
from contracts.preview import numeric_usage, truncate_text, truncate_value
from contracts.session import SessionEvent
from contracts.session.session import SessionDeleted
from contracts.task_scheduler.task import TaskDeleted
from contracts.wire import PAYLOAD_VERSION, event_name

SESSION_EVENTS = frozenset(event_name(event.subject) for event in events_of(SessionEvent))
SESSION_DELETED, TASK_DELETED = event_name(SessionDeleted.subject), event_name(TaskDeleted.subject)
KINDS = {event_name(event.subject): event for event in PUBLISHED_EVENTS}
VALUES = ("tool_input", "tool_output", "structured_output", "variables")
TEXTS = ("message", "prompt", "prompt_template")


class PublicEvent(NamedTuple):
    """A stored event as those who may see it receive it: its `owner`, and administrators where they ask for all events.

    `id` is that of the event, `resource` that of the session, task and so on that it is about. `time` is when it was
    recorded (RFC 3339), `sequence` its number in the stream of its `service`, if it was read there. `data` has the
    fields of the event, large values as previews; no field is named like a member of the payload that means something
    else.
    """

    id: str
    type: str
    service: str
    owner: UUID
    resource: UUID
    time: str
    data: dict[str, Any]
    sequence: int | None = None

    @classmethod
    def read(cls, subject: str, headers: Mapping[str, str], body: str | bytes, sequence: int | None = None) -> Self:
        """Return the public form of a message of the bus.

        An event that an earlier release has published is upcast: receivers get all events of a type in its present
        form, however old they are.
        """
        kind, version = KINDS.get(event_name(subject)), int(headers.get("fact-version", 0))
        state = json.loads(body)
        if kind and 0 < version < kind.version:
            state = kind.upcast(version, state)
        return cls.of(subject, headers.get("ce-id", ""), headers.get("ce-time", ""), state, sequence)

    @classmethod
    def of(cls, subject: str, id: str, time: str, state: dict[str, Any], sequence: int | None = None) -> Self:
        """Return the public form of an event whose subject is `evt.<service>.<name>.<owner>.<resource>`.

        `state` is its JSON in the present version, `time` in ISO 8601 and UTC.
        """
        _, service, _, owner, resource = subject.split(".")
        kind, time = KINDS.get(event_name(subject)), time.replace("+00:00", "Z")
        if kind and kind.internal:
            state = {name: value for name, value in state.items() if name not in kind.internal}
        return cls(id, event_name(subject), service, UUID(owner), UUID(resource), time, previewed(state), sequence)

    def in_version(self, version: int) -> Self:
        """Return the event as receivers get it who know this version of the public form: downcast from the newest one.

        So a program that was written for an earlier version still gets the fields that it knows.
        """
        data, kind = self.data, KINDS.get(self.type)
        for earlier in reversed(range(version, PAYLOAD_VERSION)):
            data = kind.downcast(earlier, data) if kind else data
        return self._replace(data=data)

    @property
    def session_id(self) -> UUID | None:
        """The session that the event is about; None if it is about something else."""
        return self.resource if self.type in SESSION_EVENTS else None

    @property
    def belongs_to(self) -> UUID | None:
        """The session or the task without which the event is not shown any more; None if it does not depend on one."""
        if self.service == "task_scheduler" and self.type != TASK_DELETED:
            return UUID(self.data.get("task_id") or str(self.resource))  # events of executions name their task
        return self.session_id if self.type != SESSION_DELETED else None

    def payload(self) -> dict[str, Any]:
        """Return the JSON object that is sent: the fields of the event, and beside them what all events have."""
        session_id = self.session_id or self.data.get("session_id")
        payload = self.data | {
            "type": self.type,
            "event_id": self.id,
            "sequence": self.sequence,
            "time": self.time,
            "user_id": str(self.owner),
            "session_id": session_id and str(session_id),
            "resource_id": str(self.resource),
        }
        return payload | ({"status": "terminated"} if self.type == SESSION_DELETED else {})


def previewed(data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event as receivers get them: large values by their beginning, and money as numbers."""
    changed: dict[str, Any] = {name: truncate_value(data[name]) for name in VALUES if data.get(name)}
    if "blocks" in data:
        changed["blocks"] = [_block(block) for block in data["blocks"]]
    if "definition" in data:
        changed["definition"] = previewed(data["definition"])
    for name in TEXTS:
        data = truncate_text(data, name)
    return numeric_usage(data) | changed


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_use":
        return block | {"input": truncate_value(block["input"])}
    return truncate_text(block, block["type"])

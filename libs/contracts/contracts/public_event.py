"""The public form of events: what streams, webhooks and other subscribers outside the services receive."""

from typing import Any, NamedTuple, Self
from uuid import UUID

from contracts.catalogue import events_of
from contracts.preview import numeric_usage, truncate_text, truncate_value
from contracts.session import SessionEvent
from contracts.session.session import SessionDeleted
from contracts.task_scheduler.task import TaskDeleted
from contracts.wire import event_name

SESSION_EVENTS = frozenset(event_name(event.subject) for event in events_of(SessionEvent))
SESSION_DELETED, TASK_DELETED = event_name(SessionDeleted.subject), event_name(TaskDeleted.subject)
VALUES = ("tool_input", "tool_output", "structured_output", "variables")
TEXTS = ("message", "prompt", "prompt_template")


class PublicEvent(NamedTuple):
    """A stored event as those who may see it receive it: its `owner`, and administrators where they ask for all events.

    `id` is that of the event, `resource` that of the session, task and so on that it is about. `time` is when it was
    recorded (RFC 3339), `sequence` its number in the stream of its `service`, if it was read there. `data` has the
    fields of the event, large values as previews.
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
    def of(cls, subject: str, id: str, time: str, state: dict[str, Any], sequence: int | None = None) -> Self:
        """Return the public form of an event whose subject is `evt.<service>.<name>.<owner>.<resource>`.

        `state` is its JSON, `time` in ISO 8601 and UTC.
        """
        _, service, _, owner, resource = subject.split(".")
        time = time.replace("+00:00", "Z")
        return cls(id, event_name(subject), service, UUID(owner), UUID(resource), time, previewed(state), sequence)

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
        """Return the JSON object that is sent."""
        session_id = self.session_id
        payload: dict[str, Any] = {
            "type": self.type,
            "session_id": session_id and str(session_id),
            "resource_id": str(self.resource),
            "sequence": self.sequence,
            "at": self.time,
            "data": self.data,
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

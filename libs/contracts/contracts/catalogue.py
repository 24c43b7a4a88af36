"""The services on the bus and the events that each of them records: the one list of services."""

from typing import Any, get_args

from contracts.identity import UserEvent
from contracts.mcp_registry import ServerEvent
from contracts.mcp_registry.revocation import RevocationEvent
from contracts.messages import Event
from contracts.report import ReportEvent
from contracts.session import SessionEvent
from contracts.session.template import TemplateEvent
from contracts.task_scheduler import TaskEvent
from contracts.task_scheduler.execution import ExecutionEvent
from contracts.webhook import WebhookEvent


def events_of(*unions: Any) -> tuple[type[Event], ...]:
    """Return the event classes of one or more unions of events."""
    return tuple(event for union in unions for event in get_args(union.__value__) or (union.__value__,))


EVENTS: dict[str, tuple[type[Event], ...]] = {
    "identity": events_of(UserEvent),
    "mcp_registry": events_of(ServerEvent, RevocationEvent),
    "report": events_of(ReportEvent),
    "session": events_of(SessionEvent, TemplateEvent),
    "task_scheduler": events_of(TaskEvent, ExecutionEvent),
    "webhook": events_of(WebhookEvent),
}
"""The events of each service, by its name."""
SERVICES = tuple(EVENTS)
RESOURCES: dict[str, tuple[type[Event], ...]] = {
    "user": events_of(UserEvent),
    "mcp_server": events_of(ServerEvent),
    "revocation": events_of(RevocationEvent),
    "report": events_of(ReportEvent),
    "session": events_of(SessionEvent),
    "template": events_of(TemplateEvent),
    "task": events_of(TaskEvent),
    "execution": events_of(ExecutionEvent),
    "webhook": events_of(WebhookEvent),
}
"""The events of each kind of resource, by its name for clients."""
PUBLISHED_EVENTS = tuple(event for events in EVENTS.values() for event in events if event.published)
"""The events that leave their service; streams and other services see only these."""

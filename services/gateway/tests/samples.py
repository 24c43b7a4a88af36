"""Results that the fake services return: the examples of the contracts, some fields changed."""

from contracts.identity.login import TokensView
from contracts.identity.user import UserView
from contracts.public_event import PublicEvent
from contracts.report.report import ReportLink, ReportView
from contracts.samples import LINK, REPORT, SESSION, TIME, USER
from contracts.session.approval import ApprovalView
from contracts.session.conversation import MessageView, ToolCallView
from contracts.session.run_view import RunSummary, RunView
from contracts.session.session_view import SessionView
from contracts.session.template import TemplateView
from contracts.task_scheduler.backfill import BackfillView
from contracts.task_scheduler.execution_view import ExecutionSummary, ExecutionView
from contracts.task_scheduler.task_view import TaskSummary, TaskView
from contracts.task_scheduler.trigger import NewTrigger, TriggerView
from gateway.streams.items import PublishedEvent

REGISTRATION = {"email": "ada@example.com", "username": "ada", "password": "plantedsecret-analytical engine"}

user = UserView.example
tokens = TokensView.example
session = SessionView.example
message = MessageView.example
tool_call = ToolCallView.example
run = RunView.example
run_summary = RunSummary.example
approval = ApprovalView.example
template = TemplateView.example
task = TaskView.example
task_summary = TaskSummary.example
execution = ExecutionView.example
execution_summary = ExecutionSummary.example
backfill = BackfillView.example
trigger = TriggerView.example
new_trigger = NewTrigger.example
report = ReportView.example


def report_link() -> ReportLink:
    return ReportLink.model_validate({"id": LINK, "report_id": REPORT, "token": "bGluaw", "expires_at": TIME})


def published(name: str, sequence: int, text: str = "{}") -> PublishedEvent:
    """Return an event of a session as a stream holds it; `text` is what clients receive."""
    subject = f"evt.{name}.{USER}.{SESSION}"
    return PublishedEvent(PublicEvent.of(subject, "", TIME, {}, sequence), sequence, text)

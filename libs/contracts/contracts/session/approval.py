"""All messages about approvals."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.messages import Command, Event, KeysetWindow, Page, ProgressEvent, Query, View
from contracts.samples import APPROVAL, RUN, SESSION, TIME, TOOL_CALL, USER
from contracts.session.values import ApprovalKind, ApprovalOutcome, ApprovalStatus, Decision, Remember


class ApprovalView(View):
    """A tool call that needs the approval of a person.

    If `kind` is `elicitation`, an MCP server asks for input in the middle of a tool call: `tool_name` is the server,
    `tool_input` has its `message`, and `form` is the JSON schema of the `content` that an approval has to contain.
    If it is `outcome`, a crash has interrupted the tool call, which may have had an effect or not: an approval lets the
    agent make it again. A large `tool_input` is then a preview, as in lists.
    """

    sample = {
        "id": APPROVAL,
        "session_id": SESSION,
        "run_id": RUN,
        "tool_call_id": TOOL_CALL,
        "tool_name": "Bash",
        "tool_input": {"command": "make test"},
        "kind": "tool",
        "form": None,
        "status": "pending",
        "decided_by": None,
        "message": None,
        "remember": None,
        "delivered": False,
        "created_at": TIME,
        "expires_at": TIME,
        "decided_at": None,
    }

    id: UUID = Field(description="Id of the approval.")
    session_id: UUID = Field(description="Id of the session.")
    run_id: UUID = Field(description="Id of the run that waits for the approval.")
    tool_call_id: UUID | None = Field(description="Id of the tool call; null if it has not been recorded yet.")
    tool_name: str = Field(description="Name of the tool.")
    tool_input: dict[str, Any] = Field(description="Input of the tool.")
    kind: ApprovalKind = Field(
        default="tool",
        description="`tool`: a tool call. `elicitation`: an MCP server asks for input during a tool call. `outcome`: "
        "whether a call may be made again whose outcome is unknown after a crash.",
    )
    form: dict[str, Any] | None = Field(
        default=None,
        description="With `elicitation`: JSON schema of the `content` of an approval; null for tool calls.",
    )
    status: ApprovalStatus = Field(description="Current status.")
    decided_by: UUID | None = Field(description="Id of the user who decided; null while pending and after expiry.")
    message: str | None = Field(description="The reason of the decision; null if none was given.")
    remember: Remember | None = Field(
        description="`once`: for this tool call. `session`: also for later calls of the tool in the session. Null "
        "without a decision."
    )
    delivered: bool = Field(description="Whether the agent has received the decision.")
    created_at: datetime = Field(description="Time of creation.")
    expires_at: datetime = Field(description="Time at which a pending approval expires.")
    decided_at: datetime | None = Field(description="Time of the decision; null while pending.")


class GetApproval(Query[ApprovalView]):
    """Return one approval."""

    subject = "qry.session.get_approval"
    sample = {"approval_id": APPROVAL}

    approval_id: UUID


class ListApprovals(KeysetWindow, Query[Page[ApprovalView]]):
    """Return the approvals of the actor's sessions, newest first."""

    subject = "qry.session.list_approvals"
    senders = ("gateway", "report")
    sample = {"status": "pending"}

    status: ApprovalStatus | None = None
    session_id: UUID | None = None


class RequestApproval(Command[ApprovalOutcome | None]):
    """Request an approval for a tool call that the options of the session neither allow nor forbid.

    The result is the outcome if an earlier decision already covers the call; None if a person has to decide.
    `attempt` fences a worker that was replaced.
    """

    subject = "cmd.session.request_approval"
    senders = ()
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "attempt": 1,
        "approval_id": APPROVAL,
        "tool_use_id": "toolu_1",
        "tool_name": "Read",
        "tool_input": {"file_path": "/workspace/a"},
        "expires_at": TIME,
    }

    session_id: UUID
    run_id: UUID
    attempt: int
    approval_id: UUID
    tool_use_id: str
    tool_name: str
    tool_input: dict[str, Any]
    kind: ApprovalKind = "tool"
    form: dict[str, Any] | None = None
    expires_at: datetime


class DecideApproval(Command[ApprovalView]):
    """Approve or deny a tool call; `remember` of `session` applies the decision to the tool for the whole session.

    With a `session_id`, an approval of another session is not found. `content` fills in the form of an elicitation;
    such a decision is never remembered. Nor is one about an unknown outcome.
    """

    subject = "cmd.session.decide_approval"
    outcome_query = GetApproval
    sample = {
        "session_id": SESSION,
        "approval_id": APPROVAL,
        "decision": "denied",
        "message": "Not in this folder.",
    }

    session_id: UUID | None = None
    approval_id: UUID
    decision: Literal["approved", "denied"]
    message: str = Field(default="", max_length=10_000)
    remember: Remember = "once"
    content: dict[str, JsonValue] | None = None


class DeliverDecisions(Command[list[ApprovalOutcome] | None]):
    """Return the decisions about several tool calls for delivery to the agent; None while one of them is pending.

    The same worker may repeat the command, for instance after a lost reply.
    """

    subject = "cmd.session.deliver_decisions"
    senders = ()
    sample = {"session_id": SESSION, "run_id": RUN, "attempt": 1, "approval_ids": [APPROVAL]}

    session_id: UUID
    run_id: UUID
    attempt: int
    approval_ids: list[UUID]


class ExpireApproval(Command[None]):
    """Expire an approval that was not decided in time; one that was decided is not changed."""

    subject = "cmd.session.expire_approval"
    senders = ()
    sample = {"session_id": SESSION, "approval_id": APPROVAL}

    session_id: UUID
    approval_id: UUID


class ApprovalRequested(ProgressEvent):
    """The agent waits for a decision about a tool call, until `expires_at` at the latest."""

    subject = "evt.session.approval_requested"
    sample = {
        "approval_id": APPROVAL,
        "run_id": RUN,
        "tool_call_id": TOOL_CALL,
        "tool_use_id": "toolu_1",
        "tool_name": "Read",
        "tool_input": {"file_path": "/workspace/a"},
        "expires_at": TIME,
    }

    approval_id: UUID
    run_id: UUID
    tool_call_id: UUID | None
    tool_use_id: str
    tool_name: str
    tool_input: dict[str, Any]
    kind: ApprovalKind = "tool"
    form: dict[str, Any] | None = None
    expires_at: datetime


class ApprovalDecided(Event):
    """A tool call was decided; `expired`, by nobody, if the time ran out or the run ended first."""

    subject = "evt.session.approval_decided"
    sample = {
        "approval_id": APPROVAL,
        "run_id": RUN,
        "decision": "denied",
        "decided_by": USER,
        "message": "Not in this folder.",
        "remember": "once",
    }

    approval_id: UUID
    run_id: UUID
    decision: Decision
    decided_by: UUID | None
    message: str
    remember: Remember
    content: dict[str, JsonValue] | None = None


class DecisionDelivered(ProgressEvent):
    """The agent got the decision: as the answer to its request, or in its prompt, which it has answered."""

    subject = "evt.session.decision_delivered"
    sample = {"approval_id": APPROVAL, "run_id": RUN}

    approval_id: UUID
    run_id: UUID


ApprovalEvent = ApprovalRequested | ApprovalDecided | DecisionDelivered

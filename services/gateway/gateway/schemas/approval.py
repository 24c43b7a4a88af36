"""Models of approvals."""

from typing import Annotated, Literal
from uuid import UUID

from contracts.session.approval import ApprovalView, DecideApproval
from contracts.session.values import ApprovalStatus, Remember
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from gateway.schemas.base import RequestBody, ResponseModel
from gateway.schemas.lists import KeysetWindow, ListPage
from gateway.schemas.options import at_most, shallow


class Decision(RequestBody):
    """Details of a decision; all fields are optional, and so is the body."""

    sample = {"message": "Only in this folder, please.", "remember": "session"}

    message: Annotated[
        str, Field(max_length=10_000, description="The reason, sent to the agent if the tool call is denied.")
    ] = ""
    remember: Annotated[
        Remember,
        Field(description="`once`: for this tool call. `session`: also for later calls of the tool in this session."),
    ] = "once"
    content: Annotated[
        dict[str, JsonValue] | None,
        Field(description="The input that an approval of the kind `elicitation` asks for, as its `form` describes it."),
        BeforeValidator(shallow),
        AfterValidator(at_most(32 * 1024)),
    ] = None

    def command(self, approval_id: UUID, decision: Literal["approved", "denied"]) -> DecideApproval:
        """Return the command."""
        return DecideApproval(approval_id=approval_id, decision=decision, **self.model_dump())


class WebSocketDecision(Decision):
    """A decision in a WebSocket message, which names the approval."""

    approval_id: UUID

    def decide(self, session_id: UUID, decision: Literal["approved", "denied"]) -> DecideApproval:
        """Return the command."""
        return DecideApproval(session_id=session_id, decision=decision, **self.model_dump())


class ApprovalWindow(KeysetWindow):
    """Query parameters of the list of approvals."""

    status: Annotated[
        ApprovalStatus | None, Field(description="Return only approvals with this status.", examples=["pending"])
    ] = None
    session_id: Annotated[UUID | None, Field(description="Return only approvals of this session.")] = None


class Approval(ApprovalView, ResponseModel):
    """A tool call that a person approves or denies."""


class ApprovalPage(ListPage[Approval]):
    """Approvals, newest first."""

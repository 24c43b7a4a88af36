"""Approvals, as clients see them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from contracts.samples import APPROVAL, RUN, SESSION, TIME, TOOL_CALL, USER
from contracts.session.approval import ApprovalView, DecideApproval
from contracts.session.values import ApprovalStatus, Remember
from pydantic import Field

from gateway.schemas.lists import KeysetWindow, PageShown
from gateway.schemas.shown import Body, Shown, example


class Decision(Body):
    """What goes with a decision; both may be left out, and so may the body."""

    model_config = example({"message": "Only in this folder, please.", "remember": "session"})

    message: Annotated[str, Field(max_length=10_000, description="Told to the agent when it is denied.")] = ""
    remember: Annotated[
        Remember, Field(description="`session` settles this tool for the rest of the session, without asking.")
    ] = "once"

    def command(self, approval_id: UUID, decision: Literal["approved", "denied"]) -> DecideApproval:
        """Decide so."""
        return DecideApproval(approval_id=approval_id, decision=decision, message=self.message, remember=self.remember)


class SpokenDecision(Decision):
    """A decision over a WebSocket, which says what it is about."""

    approval_id: UUID

    def spoken(self, session_id: UUID, decision: Literal["approved", "denied"]) -> DecideApproval:
        """Decide so."""
        return DecideApproval(session_id=session_id, decision=decision, **self.model_dump())


class ApprovalWindow(KeysetWindow):
    """Which approvals are asked for."""

    status: Annotated[
        ApprovalStatus | None, Field(description="Give only approvals with this status.", examples=["pending"])
    ] = None
    session_id: Annotated[UUID | None, Field(description="Give only approvals of this session.")] = None


_APPROVAL: dict[str, Any] = {
    "id": APPROVAL,
    "session_id": SESSION,
    "run_id": RUN,
    "tool_call_id": TOOL_CALL,
    "tool_name": "Bash",
    "tool_input": {"command": "make test"},
    "status": "approved",
    "decided_by": USER,
    "message": "",
    "remember": "once",
    "delivered": True,
    "created_at": TIME,
    "expires_at": TIME,
    "decided_at": TIME,
}


class Approval(ApprovalView, Shown):
    """A tool call that a person was asked about."""

    model_config = example(_APPROVAL)


class ApprovalPage(PageShown[Approval]):
    """Approvals, newest first."""

"""The read model of approvals."""

from typing import Any, assert_never

from contracts.session.approval import (
    ApprovalDecided,
    ApprovalEvent,
    ApprovalRequested,
    DecisionDelivered,
    ExpireApproval,
)
from eventing.database import Connection
from eventing.due import DueKind
from eventing.recording import Recorded

from session.projections.conversation import SET_CALL_STATUS
from session.projections.run import update_run_status

APPROVAL_EXPIRY = DueKind("approval_expiry", lambda due: ExpireApproval(session_id=due.aggregate, approval_id=due.id))


async def project_approval(event: ApprovalEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of an approval."""
    id, at = recorded.id, recorded.at
    match event:
        case ApprovalRequested():
            await db.execute(
                "INSERT INTO approvals (id, session_id, user_id, run_id, tool_call_id, tool_name, tool_input, "
                "kind, form, expires_at, created_at) "
                "SELECT $1, id, user_id, $3, $4, $5, $6, $7, $8, $9, $10 FROM sessions WHERE id = $2",
                event.approval_id, id, event.run_id, event.tool_call_id, event.tool_name, event.tool_input,
                event.kind, event.form, event.expires_at, at,
            )  # fmt: skip
            await db.execute(SET_CALL_STATUS, id, event.tool_call_id, "waiting_approval")
            await APPROVAL_EXPIRY.set(recorded, event.approval_id, event.expires_at, db)
            await update_run_status(event.run_id, recorded, db)
        case ApprovalDecided():
            call = await db.fetchval(
                "UPDATE approvals SET status = $2, decided_by = $3, message = $4, remember = $5, decided_at = $6 "
                "WHERE id = $1 RETURNING tool_call_id",
                event.approval_id, event.decision, event.decided_by, event.message, event.remember, at,
            )  # fmt: skip
            await db.execute(SET_CALL_STATUS, id, call, "running" if event.decision == "approved" else "denied")
            await APPROVAL_EXPIRY.cancel(event.approval_id, db)
            await update_run_status(event.run_id, recorded, db)
        case DecisionDelivered():
            await db.execute("UPDATE approvals SET delivered = true WHERE id = $1", event.approval_id)
        case _:
            assert_never(event)

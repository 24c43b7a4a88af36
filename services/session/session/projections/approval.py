"""The read model of approvals."""

from typing import Any, assert_never

from contracts.session.approval import (
    ApprovalDecided,
    ApprovalFact,
    ApprovalRequested,
    DecisionDelivered,
    ExpireApproval,
)
from eventing.database import Connection
from eventing.due import DueKind
from eventing.recording import Recorded

from session.projections.run import go_on_or_wait

APPROVAL_EXPIRY = DueKind("approval_expiry", lambda due: ExpireApproval(session_id=due.aggregate, approval_id=due.id))


async def project_approval(fact: ApprovalFact, recorded: Recorded[Any], db: Connection) -> None:
    """Write what one fact of an approval means for those who read."""
    id, at = recorded.id, recorded.at  # noqa: A001  the column's name
    match fact:
        case ApprovalRequested():
            await db.execute(
                "INSERT INTO approvals (id, session_id, user_id, run_id, tool_call_id, tool_name, tool_input, "
                "expires_at, created_at) SELECT $1, id, user_id, $3, $4, $5, $6, $7, $8 FROM sessions WHERE id = $2",
                fact.approval_id, id, fact.run_id, fact.tool_call_id, fact.tool_name, fact.tool_input,
                fact.expires_at, at,
            )  # fmt: skip
            await APPROVAL_EXPIRY.set(recorded, fact.approval_id, fact.expires_at, db)
            await go_on_or_wait(id, fact.run_id, db)
        case ApprovalDecided():
            await db.execute(
                "UPDATE approvals SET status = $2, decided_by = $3, message = $4, remember = $5, decided_at = $6 "
                "WHERE id = $1",
                fact.approval_id, fact.decision, fact.decided_by, fact.message, fact.remember, at,
            )  # fmt: skip
            await APPROVAL_EXPIRY.cancel(fact.approval_id, db)
            await go_on_or_wait(id, fact.run_id, db)
        case DecisionDelivered():
            await db.execute("UPDATE approvals SET delivered = true WHERE id = $1", fact.approval_id)
        case _:
            assert_never(fact)

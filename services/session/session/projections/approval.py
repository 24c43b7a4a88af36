"""The due times of approvals."""

from contracts.session.approval import ExpireApproval
from eventing.due import DueKind

APPROVAL_EXPIRY = DueKind("approval_expiry", lambda due: ExpireApproval(session_id=due.aggregate, approval_id=due.id))

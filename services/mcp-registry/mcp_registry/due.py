"""The due times of servers, which projections set and cancel."""

from uuid import uuid5

from contracts.mcp_registry.check import CheckServer
from eventing.due import DueKind, DueTime


def _check(due: DueTime) -> CheckServer:
    return CheckServer(server_id=due.id, check_id=uuid5(due.id, due.at.isoformat()))


# It is not given up: a check sets the next due time, so without its command a server would never be checked again.
CHECK = DueKind("check", _check, retry_forever=True)

DUE_KINDS = (CHECK,)

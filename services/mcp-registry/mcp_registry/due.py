"""The due times of servers, which projections set and cancel."""

from uuid import uuid5

from contracts.mcp_registry.authorization import ExpireAuthorization
from contracts.mcp_registry.check import CheckServer
from contracts.mcp_registry.refresh import RequestRefresh
from eventing.due import DueKind, DueTime


def _expire(due: DueTime) -> ExpireAuthorization:
    return ExpireAuthorization(server_id=due.aggregate, authorization_id=due.id)


def _check(due: DueTime) -> CheckServer:
    return CheckServer(server_id=due.id, check_id=uuid5(due.id, due.at.isoformat()))


CHECK = DueKind("check", _check)
TOKEN_REFRESH = DueKind("token_refresh", lambda due: RequestRefresh(server_id=due.id))
AUTHORIZATION_EXPIRY = DueKind("authorization_expiry", _expire)

DUE_KINDS = (CHECK, TOKEN_REFRESH, AUTHORIZATION_EXPIRY)

"""Forks of sessions: `/api/v1/sessions/{session_id}/fork`."""

from uuid import UUID

from contracts.refusals import Code
from fastapi import APIRouter, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.schemas.fork import NewFork
from gateway.schemas.session import Session
from gateway.state import gateway_of
from gateway.waiting.sessions import wait_until_ready

NO_BODY = NewFork()

router = APIRouter(prefix="/api/v1/sessions/{session_id}", tags=["Sessions"], route_class=JsonRoute)


@router.post(
    "/fork",
    operation_id="forkSession",
    summary="Fork a session",
    status_code=201,
    response_model=Session,
    responses=headed(
        documented(
            Code.SESSION_NOT_FOUND,
            Code.MESSAGE_NOT_FOUND,
            Code.SESSION_BUSY,
            Code.SESSION_NOT_READY,
            Code.SESSION_ARCHIVED,
            Code.ADMINS_ONLY,
            Code.MODEL_NOT_ALLOWED,
            Code.OPTION_NOT_ALLOWED,
            Code.CONVERSATION_FULL,
            Code.WORKSPACE_FULL,
            Code.STORAGE_FAILED,
            quotas=("sessions_per_month", "storage_bytes"),
        ),
        {201: ("Location",)},
    ),
)
async def fork(session_id: UUID, caller: Caller, request: Request, body: NewFork = NO_BODY) -> Response:
    """Creates a session with a copy of the conversation and of the files, and returns it when the files are copied.

    The new session and its parent are independent of each other. `from_message_id` leaves out the messages after that
    one; the files are copied as they are now. Messages keep their ids and sequence numbers; tool calls, runs and costs
    stay with the parent. If copying takes too long, the session is returned with `ready` false: its queries get 409
    `SESSION_NOT_READY` until the files are copied. If they cannot be copied, the fork's status is `failed`, and its
    `error_code` and `error_detail` say why.
    """
    gateway, fork = gateway_of(request), await caller.ask(body.command(session_id))
    session = await wait_until_ready(fork, caller, gateway.waits, gateway.disconnected(request))
    return Session.of(session).response(201, {"Location": f"/api/v1/sessions/{session.id}"})

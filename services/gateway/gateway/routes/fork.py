"""Forks of sessions: `/api/v1/sessions/{session_id}/fork`."""

from uuid import UUID

from contracts.refusals import Code
from fastapi import APIRouter, Request, Response

from gateway.authentication import Caller
from gateway.bodies import JsonRoute
from gateway.problems import documented, headed
from gateway.schemas.fork import NewFork
from gateway.schemas.session import Session
from gateway.session_ready import wait_until_ready

NOTHING_SAID = NewFork()

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
            Code.WORKSPACE_FULL,
            Code.STORAGE_FAILED,
        ),
        {201: ("Location",)},
    ),
)
async def fork(session_id: UUID, caller: Caller, request: Request, body: NewFork = NOTHING_SAID) -> Response:
    """A new session with a copy of the conversation and the files; the two go on independently.

    `from_message_id` leaves out what was said after that message; the files are always those of now. The messages keep
    their ids and numbers; tool calls, runs and costs stay with the parent. While `ready` is false, the files are still
    being copied, and queries are refused with 409 `SESSION_NOT_READY`; most often that is over before this answer. When
    they cannot be copied, the fork is `failed`, and tells why in `error_code` and `error_detail`.
    """
    view = await wait_until_ready(await caller.ask(body.command(session_id)), caller, request)
    return Session.of(view).response(201, {"Location": f"/api/v1/sessions/{view.id}"})

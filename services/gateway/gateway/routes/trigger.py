"""Triggers of a task: `/api/v1/tasks/{task_id}/triggers`, and the requests of other systems to their URLs."""

from typing import Annotated, Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.task_scheduler.trigger import GetTrigger, ListTriggers, RevokeTrigger, RotateTrigger
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from gateway.clients.authentication import AnyClient, Caller
from gateway.problems import EdgeCode, Problem, documented, headed
from gateway.routing.api_route import MaxBody
from gateway.routing.bodies import JsonRoute
from gateway.schemas.lists import Window
from gateway.schemas.trigger import Fired, NewTrigger, Trigger, TriggerPage, TriggerWithSecret, WebhookHeaders

MAX_WEBHOOK_BYTES = 64 * 1024
UNKNOWN_SENDER = frozenset((Code.INVALID_SIGNATURE, Code.TASK_NOT_FOUND, Code.TRIGGER_NOT_FOUND))
"""Refusals that are one and the same to the sender of a webhook: it must not learn which ids exist."""
NOT_VERIFIED = "The request could not be verified: check the URL, the secret, the signature and the clock."
ONE_PROBLEMS = (Code.TASK_NOT_FOUND, Code.TRIGGER_NOT_FOUND)
NO_NAME = NewTrigger()

WEBHOOK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": {"version": "1.4.2"}}},
    }
}

router = APIRouter(prefix="/api/v1/tasks/{task_id}/triggers", tags=["Tasks"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createTrigger",
    summary="Create a trigger",
    status_code=201,
    response_model=TriggerWithSecret,
    responses=headed(documented(Code.TASK_NOT_FOUND, Code.TOO_MANY_TRIGGERS), {201: ("Location", "Cache-Control")}),
)
async def create(task_id: UUID, caller: Caller, request: Request, body: NewTrigger = NO_NAME) -> Response:
    """Creates a URL that starts the task, and returns it with the secret that signs requests to it.

    The secret is not shown again. A task has at most 20 triggers.
    """
    trigger = TriggerWithSecret.at(request, await caller.ask(body.command(task_id)))
    return trigger.response(201, {"Location": f"/api/v1/tasks/{task_id}/triggers/{trigger.id}"})


@router.get(
    "",
    operation_id="listTriggers",
    summary="List triggers",
    response_model=TriggerPage,
    responses=documented(Code.TASK_NOT_FOUND),
)
async def index(task_id: UUID, window: Annotated[Window, Query()], caller: Caller, request: Request) -> Response:
    """Returns the triggers of the task, newest first, without their secrets."""
    page = await caller.ask(ListTriggers(task_id=task_id, **window.model_dump()))
    return TriggerPage.over(page, window, request, [Trigger.at(request, view) for view in page.items]).response()


@router.get(
    "/{trigger_id}",
    operation_id="getTrigger",
    summary="Get a trigger",
    response_model=Trigger,
    responses=documented(*ONE_PROBLEMS),
)
async def show(task_id: UUID, trigger_id: UUID, caller: Caller, request: Request) -> Response:
    """Returns the trigger without its secret."""
    return Trigger.at(request, await caller.ask(GetTrigger(task_id=task_id, trigger_id=trigger_id))).response()


@router.post(
    "/{trigger_id}/rotate",
    operation_id="rotateTrigger",
    summary="Rotate the secret of a trigger",
    response_model=TriggerWithSecret,
    responses=documented(*ONE_PROBLEMS),
)
async def rotate(task_id: UUID, trigger_id: UUID, caller: Caller, request: Request) -> Response:
    """Replaces the secret, and returns the trigger with the new one. The previous secret stays valid for 24 hours."""
    view = await caller.ask(RotateTrigger(task_id=task_id, trigger_id=trigger_id))
    return TriggerWithSecret.at(request, view).response()


@router.delete(
    "/{trigger_id}",
    operation_id="revokeTrigger",
    summary="Revoke a trigger",
    status_code=204,
    responses=documented(*ONE_PROBLEMS),
)
async def revoke(task_id: UUID, trigger_id: UUID, caller: Caller) -> Response:
    """Revokes the trigger: its URL starts nothing any more."""
    await caller.ask(RevokeTrigger(task_id=task_id, trigger_id=trigger_id))
    return Response(status_code=204)


@router.post(
    "/{trigger_id}/fire",
    operation_id="fireTrigger",
    dependencies=[Depends(MaxBody(MAX_WEBHOOK_BYTES))],
    summary="Start a task by a signed request",
    status_code=202,
    response_model=Fired,
    openapi_extra=WEBHOOK_BODY,
    responses=headed(
        {200: {"model": Fired, "description": "An earlier request with this `webhook-id` started the execution"}}
        | documented(
            Code.INVALID_SIGNATURE,
            Code.TASK_PAUSED,
            Code.TRIGGER_RATE_LIMITED,
            Code.VARIABLES_MISSING,
            Code.WEBHOOK_BODY_INVALID,
            EdgeCode.PAYLOAD_TOO_LARGE,
        ),
        {200: ("Idempotent-Replayed",)},
    ),
)
async def fire(
    task_id: UUID,
    trigger_id: UUID,
    client: AnyClient,
    request: Request,
    signed: Annotated[WebhookHeaders, Header()],
) -> Response:
    """Starts an execution, for a sender that signs the request as Standard Webhooks defines; it needs no access token.

    The body is a JSON object of at most 64 KiB: its members are variables, and the whole is the variable `payload`. A
    request with a known `webhook-id` starts nothing, and returns the first execution. At most 60 requests a minute.

    The `status` is `skipped` if another execution is active and the `overlap_policy` of the task does not let this one
    start or wait.
    """
    if not signed.complete:
        raise Problem(Code.INVALID_SIGNATURE, NOT_VERIFIED)
    command = signed.command(task_id, trigger_id, await request.body())
    try:
        fired = await client.ask(command)
    except Refusal as refusal:
        if refusal.code in UNKNOWN_SENDER:
            raise Problem(Code.INVALID_SIGNATURE, NOT_VERIFIED) from None
        raise
    shown = Fired(execution_id=fired.execution.id, status=fired.execution.status)
    return shown.response(200, {"Idempotent-Replayed": "true"}) if fired.repeated else shown.response(202)

"""Session templates: `/api/v1/session-templates`."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.session.template import DeleteTemplate, GetTemplate, ListTemplates
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import EdgeCode, documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.schemas.template import NewTemplate, Template, TemplateChange, TemplatePage, TemplateWindow
from gateway.server_files.references import check_servers

OPTION_PROBLEMS = (
    *(Code.ADMINS_ONLY, Code.MODEL_NOT_ALLOWED, Code.OPTION_NOT_ALLOWED),
    EdgeCode.UNKNOWN_MCP_SERVER,
)

router = APIRouter(prefix="/api/v1/session-templates", tags=["Session templates"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createTemplate",
    summary="Create a session template",
    status_code=201,
    response_model=Template,
    responses=headed(documented(*OPTION_PROBLEMS), {201: ("Location",)}),
)
async def create(body: NewTemplate, caller: Caller) -> Response:
    """Creates a template and returns it. Sessions created with its id start with its options and its mode.

    All users can read a public template; only its owner can change it.
    """
    await check_servers(body.sdk_options, caller)
    template = Template.of(await caller.ask(body.command()))
    return template.response(201, {"Location": f"/api/v1/session-templates/{template.id}"})


@router.get(
    "",
    operation_id="listTemplates",
    summary="List session templates",
    response_model=TemplatePage,
    responses=documented(Code.TEMPLATE_NOT_FOUND),
)
async def index(window: Annotated[TemplateWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns the caller's templates and the public ones, newest first, without their options.

    Administrators see those of all users.
    """
    page = await caller.ask(ListTemplates(**window.model_dump()))
    return TemplatePage.over(page, window, request).response()


@router.get(
    "/{template_id}",
    operation_id="getTemplate",
    summary="Get a session template",
    response_model=Template,
    responses=documented(Code.TEMPLATE_NOT_FOUND),
)
async def show(template_id: UUID, caller: Caller) -> Response:
    """Returns the template, with the number of sessions created from it."""
    return Template.of(await caller.ask(GetTemplate(template_id=template_id))).response()


@router.patch(
    "/{template_id}",
    operation_id="changeTemplate",
    summary="Update a session template",
    response_model=Template,
    responses=documented(*OPTION_PROBLEMS, Code.NOT_OWNER, Code.TEMPLATE_NOT_FOUND),
)
async def change(template_id: UUID, body: TemplateChange, caller: Caller) -> Response:
    """Updates the fields that are sent, and returns the template. Options that are left out keep their value.

    Sessions created from the template earlier do not change.
    """
    await check_servers(body.sdk_options, caller)
    return Template.of(await caller.ask(body.command(template_id))).response()


@router.delete(
    "/{template_id}",
    operation_id="deleteTemplate",
    summary="Delete a session template",
    status_code=204,
    responses=documented(Code.NOT_OWNER, Code.TEMPLATE_NOT_FOUND),
)
async def delete(template_id: UUID, caller: Caller) -> Response:
    """Deletes the template. Sessions created from it do not change."""
    await caller.ask(DeleteTemplate(template_id=template_id))
    return Response(status_code=204)

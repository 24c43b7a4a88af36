"""Session templates: `/api/v1/session-templates`."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.session.template import DeleteTemplate, GetTemplate, ListTemplates
from fastapi import APIRouter, Query, Request, Response

from gateway.authentication import Caller
from gateway.bodies import JsonRoute
from gateway.problems import documented, headed
from gateway.schemas.template import NewTemplate, Template, TemplateChange, TemplateListed, TemplatePage, TemplateWindow

OPTIONS = (Code.ADMINS_ONLY, Code.MODEL_NOT_ALLOWED, Code.MCP_SERVER_NOT_FOUND)

router = APIRouter(prefix="/api/v1/session-templates", tags=["Session templates"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createTemplate",
    summary="Make a session template",
    status_code=201,
    response_model=Template,
    responses=headed(documented(*OPTIONS), {201: ("Location",)}),
)
async def create(body: NewTemplate, caller: Caller) -> Response:
    """Sessions that name it take its options and its mode. A public one is readable by all, writable by its owner."""
    template = Template.of(await caller.ask(body.command()))
    return template.response(201, {"Location": f"/api/v1/session-templates/{template.id}"})


@router.get(
    "",
    operation_id="listTemplates",
    summary="List session templates",
    response_model=TemplatePage,
)
async def index(window: Annotated[TemplateWindow, Query()], caller: Caller, request: Request) -> Response:
    """Newest first: one's own and the public ones; an admin sees those of all users."""
    page = await caller.ask(ListTemplates(**window.model_dump()))
    return TemplatePage.over(page, [TemplateListed.of(view) for view in page.items], window, request).response()


@router.get(
    "/{template_id}",
    operation_id="getTemplate",
    summary="Show a session template",
    response_model=Template,
    responses=documented(Code.TEMPLATE_NOT_FOUND),
)
async def show(template_id: UUID, caller: Caller) -> Response:
    """With how many sessions were made from it."""
    return Template.of(await caller.ask(GetTemplate(template_id=template_id))).response()


@router.patch(
    "/{template_id}",
    operation_id="changeTemplate",
    summary="Change a session template",
    response_model=Template,
    responses=documented(*OPTIONS, Code.NOT_OWNER, Code.TEMPLATE_NOT_FOUND),
)
async def change(template_id: UUID, body: TemplateChange, caller: Caller) -> Response:
    """What is left out stays, of the options too. Sessions that were made from it before do not change."""
    return Template.of(await caller.ask(body.command(template_id))).response()


@router.delete(
    "/{template_id}",
    operation_id="deleteTemplate",
    summary="Remove a session template",
    status_code=204,
    responses=documented(Code.NOT_OWNER, Code.TEMPLATE_NOT_FOUND),
)
async def delete(template_id: UUID, caller: Caller) -> Response:
    """Sessions that were made from it stay as they are."""
    await caller.ask(DeleteTemplate(template_id=template_id))
    return Response(status_code=204)

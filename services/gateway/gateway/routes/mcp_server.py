"""MCP servers: `/api/v1/mcp-servers`."""

from typing import Annotated
from uuid import UUID

from contracts.mcp_registry.server import DeleteServer, GetServer, SetServerEnabled
from contracts.refusals import Code
from fastapi import APIRouter, Depends, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import EdgeCode, documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.routing.changes import Unrecorded
from gateway.routing.prefer import PREFER, preferred
from gateway.schemas.mcp_server import (
    McpServer,
    McpServerChange,
    McpServerPage,
    McpServerWindow,
    McpToolsAcceptance,
    NewMcpServer,
    server_path,
)
from gateway.state import gateway_of

DEFINITION_PROBLEMS = (
    *(Code.ADMINS_ONLY, Code.COMMAND_NOT_ALLOWED, Code.INVALID_SERVER),
    *(Code.SERVER_NAME_TAKEN, Code.VARIABLE_NOT_SET),
)
CHANGE_PROBLEMS = (Code.ADMINS_ONLY, Code.MCP_SERVER_NOT_FOUND)

router = APIRouter(prefix="/api/v1/mcp-servers", tags=["MCP servers"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createMcpServer",
    summary="Register an MCP server",
    status_code=201,
    response_model=McpServer,
    responses=headed(documented(*DEFINITION_PROBLEMS, Code.TOO_MANY_SERVERS), {201: ("Location",)}),
)
async def create(body: NewMcpServer, caller: Caller) -> Response:
    """Registers the server and returns it. It is checked in the background; its `health` is `unknown` until then.

    Only administrators may register a program, unless the operator allows its `command`.
    """
    server = McpServer.of(await caller.ask(body.command()))
    return server.response(201, {"Location": server_path(server.id)})


@router.get(
    "",
    operation_id="listMcpServers",
    summary="List MCP servers",
    response_model=McpServerPage,
    responses=documented(Code.MCP_SERVER_NOT_FOUND),
)
async def index(window: Annotated[McpServerWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns the caller's servers and the global ones, newest first, without their tools. Administrators see all."""
    page = await caller.ask(window.query())
    return McpServerPage.over(page, window, request).response()


@router.get(
    "/{server_id}",
    operation_id="getMcpServer",
    summary="Get an MCP server",
    response_model=McpServer,
    responses=documented(Code.MCP_SERVER_NOT_FOUND),
)
async def show(server_id: UUID, caller: Caller) -> Response:
    """Returns the server with the result of its last check: its health and its tools."""
    return McpServer.of(await caller.ask(GetServer(server_id=server_id))).response()


@router.patch(
    "/{server_id}",
    operation_id="changeMcpServer",
    summary="Update an MCP server",
    response_model=McpServer,
    responses=documented(*DEFINITION_PROBLEMS, Code.MCP_SERVER_NOT_FOUND),
)
async def change(server_id: UUID, body: McpServerChange, caller: Caller) -> Response:
    """Updates the fields that are sent, and returns the server. Sessions use it from their next run on.

    A new `url`, `command` or `args` ends the authorization of the server.
    """
    [*earlier, last] = body.commands(server_id)
    for command in earlier:
        await caller.ask(command)
    return McpServer.of(await caller.ask(last)).response()


@router.delete(
    "/{server_id}",
    operation_id="deleteMcpServer",
    summary="Delete an MCP server",
    status_code=204,
    responses=documented(*CHANGE_PROBLEMS),
)
async def delete(server_id: UUID, caller: Caller) -> Response:
    """Deletes the server with its secrets. Runs in progress keep their connection until they end."""
    await caller.ask(DeleteServer(server_id=server_id))
    return Response(status_code=204)


@router.post(
    "/{server_id}/enable",
    operation_id="enableMcpServer",
    summary="Enable an MCP server",
    response_model=McpServer,
    responses=documented(*CHANGE_PROBLEMS),
)
async def enable(server_id: UUID, caller: Caller) -> Response:
    """Lets sessions use the server again, and returns it. It is checked in the background."""
    return McpServer.of(await caller.ask(SetServerEnabled(server_id=server_id, is_enabled=True))).response()


@router.post(
    "/{server_id}/disable",
    operation_id="disableMcpServer",
    summary="Disable an MCP server",
    response_model=McpServer,
    responses=documented(*CHANGE_PROBLEMS),
)
async def disable(server_id: UUID, caller: Caller) -> Response:
    """Keeps sessions from using the server from their next run on, and returns it. It is no longer checked."""
    return McpServer.of(await caller.ask(SetServerEnabled(server_id=server_id, is_enabled=False))).response()


@router.post(
    "/{server_id}/check",
    operation_id="checkMcpServer",
    dependencies=[Depends(Unrecorded())],
    summary="Check an MCP server",
    response_model=McpServer,
    openapi_extra={"parameters": [PREFER]},
    responses=headed(
        {
            202: {
                "model": McpServer,
                "description": "With `Prefer: respond-async`: the check was requested; `Location` is the server's path",
            }
        }
        | documented(Code.MCP_SERVER_NOT_FOUND, Code.SERVER_DISABLED, EdgeCode.ANSWER_NOT_READY),
        {202: ("Location", "Preference-Applied"), 503: ("Location",), 504: ("Location",)},
    ),
)
async def check(server_id: UUID, caller: Caller, request: Request) -> Response:
    """Connects to the server, lists its tools, and returns it when that is done. Its `health` is the result.

    A server that cannot be reached is not an error of this request: `error_code` and `error_detail` say what is wrong.
    """
    gateway = gateway_of(request)
    if not preferred(request, "respond-async"):
        server = await gateway.checks.outcome(server_id, caller, gateway.disconnected(request))
        return McpServer.of(server).response()
    await gateway.checks.request(server_id, caller)
    headers = {"Location": server_path(server_id), "Preference-Applied": "respond-async"}
    return McpServer.of(await caller.ask(GetServer(server_id=server_id))).response(202, headers)


@router.post(
    "/{server_id}/accept",
    operation_id="acceptMcpServerTools",
    summary="Accept the tools of an MCP server",
    response_model=McpServer,
    responses=documented(*CHANGE_PROBLEMS, Code.TOOLS_CHANGED),
)
async def accept(server_id: UUID, body: McpToolsAcceptance, caller: Caller) -> Response:
    """Accepts the tools in the version that the caller has read, and returns the server.

    Tools that were changed or added since they were last accepted are withheld from agents until then; `difference`
    names them.
    """
    return McpServer.of(await caller.ask(body.command(server_id))).response()

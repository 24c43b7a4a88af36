"""The catalog of MCP servers: `/api/v1/mcp-servers/catalog` and `/install`."""

from typing import Annotated

from contracts.refusals import Code
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import documented, headed
from gateway.routes.mcp_server import DEFINITION_PROBLEMS
from gateway.routing.bodies import JsonRoute
from gateway.schemas.mcp_catalog import CatalogPage, CatalogWindow, Installation
from gateway.schemas.mcp_server import McpServer, server_path

router = APIRouter(prefix="/api/v1/mcp-servers", tags=["MCP servers"], route_class=JsonRoute)


@router.get("/catalog", operation_id="listCatalog", summary="Search the catalog", response_model=CatalogPage)
async def index(window: Annotated[CatalogWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns servers of the public registry, by name, from the snapshot that the operator provides.

    `inputs` are the values that an installation takes.
    """
    page = await caller.ask(window.query())
    return CatalogPage.over(page, window, request).response()


@router.post(
    "/install",
    operation_id="installMcpServer",
    summary="Install an MCP server",
    status_code=201,
    response_model=McpServer,
    responses=headed(
        documented(
            *DEFINITION_PROBLEMS,
            Code.CATALOG_ENTRY_NOT_FOUND,
            Code.NOT_INSTALLABLE,
            Code.TOO_MANY_SERVERS,
            Code.VARIABLES_MISSING,
        ),
        {201: ("Location",)},
    ),
)
async def install(body: Installation, caller: Caller) -> Response:
    """Registers a server of the catalog and returns it. URLs are preferred to packages, which are programs.

    Packages of npm and PyPI are started with `npx` and `uvx`, and may connect to these registries only; add the hosts
    that the program needs to `network_hosts`.
    """
    server = McpServer.of(await caller.ask(body.command()))
    return server.response(201, {"Location": server_path(server.id)})

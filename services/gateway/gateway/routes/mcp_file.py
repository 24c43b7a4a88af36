"""Import and export of MCP servers: `/api/v1/mcp-servers/import` and `/export`."""

import asyncio
import json
from typing import Annotated, Any

import yaml
from contracts.mcp_registry.server import ExportServers
from contracts.wire import MAX_FORM_BYTES
from fastapi import APIRouter, Depends, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.files.downloads import file_content
from gateway.files.uploads import BODY, PROBLEMS, uploaded_file
from gateway.problems import EdgeCode, documented, headed
from gateway.routing.api_route import ApiRoute, MaxBody
from gateway.routing.prefer import file_type
from gateway.schemas.mcp_file import MEDIA_TYPES, ExportOptions, FileFormat, ImportResult, OnConflict
from gateway.server_files.formats import read, written
from gateway.server_files.importer import Importer, owned_by_name
from gateway.state import gateway_of

router = APIRouter(prefix="/api/v1/mcp-servers", tags=["MCP servers"], route_class=ApiRoute)


@router.post(
    "/import",
    operation_id="importMcpServers",
    dependencies=[Depends(MaxBody(MAX_FORM_BYTES))],
    summary="Import MCP servers",
    response_model=ImportResult,
    openapi_extra=BODY,
    responses=documented(EdgeCode.INVALID_FILE, *PROBLEMS),
)
async def import_servers(
    request: Request,
    caller: Caller,
    on_conflict: Annotated[
        OnConflict,
        Query(
            description="What happens to a server whose name exists. `replace`: the fields that the file has replace "
            "those of the existing server. `rename`: it is registered under another name.",
            examples=["skip"],
        ),
    ] = "skip",
) -> Response:
    """Registers the servers of a YAML or JSON file, at most 200; one that is wrong is listed in `errors`.

    The file is an export of this API, or a configuration file of Claude Desktop, Claude Code, Cursor or VS Code.
    References like `${VAR}` are kept, and not expanded.
    """
    content = await gateway_of(request).files.parse(await uploaded_file(request), caller.actor.user_id)
    entries = read(content)
    owned = owned_by_name(await caller.ask(ExportServers()))
    return (await Importer(caller, on_conflict, owned).run(entries)).response()


@router.get(
    "/export",
    operation_id="exportMcpServers",
    summary="Export MCP servers",
    response_class=Response,
    responses=headed(
        {200: {"description": "The file", "content": file_content(*MEDIA_TYPES.values())}},
        {200: ("Cache-Control", "Content-Disposition", "Vary")},
    ),
)
async def export(options: Annotated[ExportOptions, Query()], caller: Caller, request: Request) -> Response:
    """Returns the caller's own servers as a file, without the values of `env` and `headers` unless requested.

    Requesting them takes an account and a scope that allow changes: their holder can act for the owner elsewhere. The
    styles `mcpServers` and `vscode` are those of other applications; they leave out what these do not know.
    """
    if options.include_secrets:
        caller.check("write")
    servers = await caller.ask(ExportServers(include_secrets=options.include_secrets))
    content = written(servers, options.style, secrets=options.include_secrets)
    body = await asyncio.to_thread(_text, content, options.format)  # large values take long to quote
    headers = {
        "content-disposition": f'attachment; filename="mcp-servers.{options.format}"',
        "cache-control": "no-store",
        "vary": "Accept",
    }
    return Response(body, headers=headers, media_type=file_type(MEDIA_TYPES[options.format], request.headers))


def _text(content: Any, file_format: FileFormat) -> str:
    if file_format == "json":
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)

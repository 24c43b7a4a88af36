"""Models of files with MCP servers."""

from typing import Annotated, Any, Literal
from uuid import UUID

from contracts.samples import MCP_SERVER
from pydantic import BaseModel, ConfigDict, Field

from gateway.schemas.base import ResponseModel

type OnConflict = Literal["skip", "replace", "rename"]
type FileFormat = Literal["yaml", "json"]
type Style = Literal["native", "mcpServers", "vscode"]

MEDIA_TYPES: dict[FileFormat, str] = {"yaml": "application/yaml", "json": "application/json"}

_FAILURE: dict[str, Any] = {
    "name": "weather",
    "detail": "url: Must be an http or https URL; variables in it are not expanded",
    "error_code": "VALIDATION_ERROR",
}


class ImportedServer(ResponseModel):
    """A server that was registered or replaced."""

    id: Annotated[UUID, Field(description="Id of the server.")]
    name: Annotated[str, Field(description="Its name here, which differs from that in the file if it was renamed.")]


class FailedServer(ResponseModel):
    """A server in a file that could not be imported."""

    name: Annotated[str, Field(description="Its name in the file.")]
    detail: Annotated[str, Field(description="What is wrong with it.")]
    error_code: Annotated[str, Field(description="Code of the error, as in problems.")]


class ImportResult(ResponseModel):
    """What an import did. The servers that are correct are imported, whatever is wrong with others."""

    sample = {
        "imported_count": 1,
        "skipped_count": 1,
        "servers": [{"id": MCP_SERVER, "name": "kubernetes"}],
        "errors": [_FAILURE],
    }

    imported_count: Annotated[int, Field(description="Number of servers that were registered or replaced.")]
    skipped_count: Annotated[int, Field(description="Number of servers that were left out, as their name existed.")]
    servers: Annotated[list[ImportedServer], Field(description="The servers that were registered or replaced.")]
    errors: Annotated[list[FailedServer], Field(description="The servers that could not be imported.")]


class ExportOptions(BaseModel):
    """Query parameters of an export."""

    model_config = ConfigDict(extra="ignore")  # unknown parameters are refused for all routes

    format: Annotated[FileFormat, Field(description="Format of the file.", examples=["yaml"])] = "yaml"
    style: Annotated[
        Style,
        Field(
            description="`native`: all fields. `mcpServers`: for Claude Desktop, Claude Code and Cursor. `vscode`.",
            examples=["native"],
        ),
    ] = "native"
    include_secrets: Annotated[
        bool, Field(description="Whether the file contains the values of `env` and `headers`.", examples=[False])
    ] = False

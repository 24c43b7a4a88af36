"""MCP servers that the fake services return."""

from typing import Any

from contracts.mcp_registry.server import CreateServer, ServerExport
from contracts.mcp_registry.server_view import ServerSummary, ServerView
from contracts.samples import MCP_SERVER, TIME, USER


def mcp_server(**changed: Any) -> ServerView:
    rest: dict[str, Any] = {
        "id": MCP_SERVER,
        "user_id": USER,
        "env": {"KUBECONFIG": "***"},
        "headers": {},
        "is_enabled": True,
        "is_authorized": False,
        "health": "unknown",
        "error_code": None,
        "error_detail": None,
        "latency_ms": None,
        "server_version": None,
        "tool_count": 1,
        "checked_at": None,
        "created_at": TIME,
        "updated_at": TIME,
        "tools": [{"name": "list_pods", "description": "Lists the pods."}],
        "tools_version": "00" * 32,
        "difference": {},
    }
    return ServerView.model_validate(vars(CreateServer.example().definition) | rest | changed)


def mcp_server_summary(**changed: Any) -> ServerSummary:
    values = vars(mcp_server(**changed))
    return ServerSummary.model_validate({name: values[name] for name in ServerSummary.model_fields})


def exported_server(**changed: Any) -> ServerExport:
    definition = vars(CreateServer.example().definition)
    return ServerExport.model_validate(definition | {"id": MCP_SERVER, "is_enabled": True} | changed)

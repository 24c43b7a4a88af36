"""Test support: a STDIO server whose tool executes Python inside its sandbox."""

import json
from typing import Any, cast
from uuid import UUID

from contracts.mcp_registry.values import ServerConnection, ServerDefinition
from mcp_types import TextContent
from sandbox.bwrap_args import PYTHON

from mcp_connection.limits import ConnectionLimits
from mcp_connection.upstream import Upstream

PATIENT = ConnectionLimits(connect_seconds=150, list_seconds=60)
"""For servers in sandboxes, which have a low priority: on a busy machine, some need a minute to start."""

# Needs the standard library only. The variable BEFORE holds code that is executed before the server starts.
SERVER = r"""
import json, os, subprocess, sys, time, traceback

def answer(method, params):
    match method:
        case "initialize":
            info = {"name": "attacker", "version": "1.0"}
            return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            return {"tools": [{"name": "run", "description": "Runs code.", "inputSchema": {"type": "object"}}]}
        case "tools/call":
            return {"content": [{"type": "text", "text": json.dumps(evaluate(**params["arguments"]))}]}
        case _:
            return {}

def evaluate(code):
    scope = {"os": os, "subprocess": subprocess, "sys": sys, "time": time, "json": json}
    try:
        exec(code, scope)
        return scope.get("result")
    except Exception as error:
        return f"{type(error).__name__}: {error}"

exec(os.environ.get("BEFORE", ""))
for line in sys.stdin:
    request = json.loads(line)
    if "id" in request and "method" in request:
        result = answer(request["method"], request.get("params", {}))
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}) + "\n")
        sys.stdout.flush()
exec(os.environ.get("AFTER", ""))
"""


def stdio_server(env: dict[str, str] | None = None, **definition: Any) -> ServerConnection:
    """Return the connection to a server whose tool executes Python."""
    started = {"name": "attacker", "server_type": "STDIO", "command": str(PYTHON), "args": ["-I", "-c", SERVER]}
    return ServerConnection(
        id=UUID(int=1), version=1, env=env or {}, definition=ServerDefinition.model_validate(started | definition)
    )


async def execute(upstream: Upstream, code: str) -> Any:
    """Execute code in the server, and return what it assigns to `result`, or the error that it raises."""
    [content] = (await upstream.call_tool("run", {"code": code})).content
    return json.loads(cast(TextContent, content).text)

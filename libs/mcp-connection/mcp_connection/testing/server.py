"""Runs the example server: `python -m mcp_connection.testing.server --transport http --port 0`.

Over HTTP and SSE, the first line of the output is the URL, once the server accepts connections.
"""

import argparse
import asyncio
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

from mcp_connection.testing.application import application

ANY_HOST = TransportSecuritySettings(enable_dns_rebinding_protection=False)
PATHS = {"http": "/mcp", "sse": "/sse"}


def main() -> None:
    """Run the server until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=["stdio", *PATHS], default="stdio")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", default="example")
    parser.add_argument("--json", action="store_true", help="answer with one message instead of events")
    parser.add_argument("--stateless", action="store_true", help="without sessions")
    arguments = parser.parse_args()
    app = application(arguments.name)
    if arguments.transport == "stdio":
        app.run("stdio")
    elif arguments.transport == "sse":
        asyncio.run(serve(app.sse_app(transport_security=ANY_HOST), "/sse", arguments.port))
    else:
        asyncio.run(serve(http_app(app, json=arguments.json, stateless=arguments.stateless), "/mcp", arguments.port))


def http_app(app: MCPServer, *, json: bool = False, stateless: bool = False) -> Starlette:
    """Return the server for Streamable HTTP."""
    return app.streamable_http_app(json_response=json, stateless_http=stateless, transport_security=ANY_HOST)


async def serve(app: Starlette, path: str, port: int) -> None:
    """Serve an application on the loopback interface until the process is ended."""
    async with serving(app, port) as origin:
        sys.stdout.write(f"{origin}{path}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


@asynccontextmanager
async def serving(app: Starlette, port: int = 0, *, grace: int = 1) -> AsyncGenerator[str]:
    """Serve an application on the loopback interface; yield its origin, `http://127.0.0.1:port`.

    On exit, clients have `grace` seconds to disconnect.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=grace))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = server.force_exit = True


if __name__ == "__main__":
    main()

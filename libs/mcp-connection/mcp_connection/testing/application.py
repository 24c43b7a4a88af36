"""An MCP server with everything that clients may meet."""

import os
import subprocess
from asyncio import sleep
from typing import Annotated, Any

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel


class Answer(BaseModel):
    """The form of the tool `ask`."""

    color: str


def application(name: str = "example", version: str = "1.0.0") -> MCPServer:
    """Return a server with tools, resources and prompts."""
    app = MCPServer(name, version=version, log_level="CRITICAL")
    for add in (_add_plain_tools, _add_long_tools, _add_environment_tools, _add_texts):
        add(app)
    return app


def echo(text: str) -> str:
    """Return the text."""
    return text


def _add_plain_tools(app: MCPServer) -> None:
    @app.tool()
    def add(a: int, b: int) -> int:
        """Return the sum of two numbers."""
        return a + b

    app.add_tool(echo)

    @app.tool()
    def fail(reason: str) -> str:
        """Fail with a reason."""
        raise ToolError(reason)

    @app.tool()
    def large(characters: int) -> str:
        """Return a long text."""
        return "x" * characters


def _question(question: str) -> Elicit[Answer]:
    return Elicit(question, Answer)


def _add_long_tools(app: MCPServer) -> None:
    @app.tool()
    async def wait(seconds: float) -> str:
        """Wait."""
        await sleep(seconds)
        return f"waited {seconds:g}"

    @app.tool()
    async def count(steps: int, ctx: Context[Any]) -> str:
        """Report progress in steps."""
        for step in range(steps):
            await ctx.report_progress(step + 1, steps, f"step {step + 1}")
        return f"{steps} steps"

    @app.tool()
    def ask(question: str, answer: Annotated[ElicitationResult[Answer], Resolve(_question)]) -> str:
        """Ask the user for a color."""
        return f"{answer.action}: {answer.data.color if isinstance(answer, AcceptedElicitation) else ''}"

    @app.tool()
    async def rename(description: str, ctx: Context[Any]) -> str:
        """Change the description of the tool `echo`, and announce it."""
        app.remove_tool("echo")
        app.add_tool(echo, description=description)
        is_modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        await (ctx.notify_tools_changed() if is_modern else ctx.session.send_tool_list_changed())
        return "renamed"

    @app.tool()
    def crash() -> str:
        """End the process of the server."""
        os._exit(3)


def _add_environment_tools(app: MCPServer) -> None:
    @app.tool()
    def variable(name: str) -> str:
        """Return an environment variable."""
        completed = subprocess.run(["/usr/bin/printenv", name], stdout=subprocess.PIPE, check=False)  # noqa: S603
        return completed.stdout.decode().rstrip("\n")

    @app.tool()
    def header(name: str, ctx: Context[Any]) -> str:
        """Return a header of the request."""
        return (ctx.headers or {}).get(name, "")

    @app.tool()
    def read(path: str) -> str:
        """Return a file."""
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return file.read()


def _add_texts(app: MCPServer) -> None:
    @app.resource("example://greeting")
    def greeting() -> str:
        """Return a greeting."""
        return "Hello"

    @app.prompt()
    def greet(name: str) -> str:
        """Return the request to greet somebody."""
        return f"Greet {name}."

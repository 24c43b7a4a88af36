"""MCP servers for tests, and how the registry describes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast
from uuid import NAMESPACE_OID, uuid5

from contracts.identity.user import GetActor
from contracts.mcp_registry.server import ResolveServers
from contracts.mcp_registry.values import ResolvedServer, ServerConnection
from contracts.session.values import SdkOptions
from mcp.server.mcpserver import Elicit, ElicitationResult, MCPServer, Resolve
from mcp.types import ToolAnnotations
from pydantic import BaseModel
from runtime.clock import new_id
from sandbox.bwrap_args import PYTHON
from session.mcp.connections import Connections
from session.mcp.permits import Permits
from session.mcp.server_calls import ServerCalls
from session.mcp.servers import AgentServers

from services.gateway.tests.fake_services import FakeServices
from services.session.tests.desk import OWNER

SECRET = "plantedsecret-of-the-server"


def resolved(name: str, reference: str | None = None, **fields: Any) -> ResolvedServer:
    """Return a server as the registry resolves it; its tools were not checked yet, unless `accepted_tools` is given."""
    values: dict[str, Any] = {
        "id": uuid5(NAMESPACE_OID, name),
        "version": 1,
        "definition": {"name": name, "server_type": "HTTP", "url": "https://mcp.example.org"},
        "headers": {"Authorization": f"Bearer {SECRET}"},
    }
    return ResolvedServer(reference=reference or name, connection=ServerConnection.model_validate(values | fields))


def at(url: str, kind: str = "HTTP") -> ResolvedServer:
    """Return a server at a URL."""
    return resolved("lab", definition={"name": "lab", "server_type": kind, "url": url})


@dataclass
class Registry:
    """The fake registry: what it resolves, and whom it was asked for."""

    services: FakeServices
    servers: list[ResolvedServer] = field(default_factory=list[ResolvedServer])

    async def start(self) -> None:
        self.services.received.clear()
        await self.services.answer(GetActor, OWNER)
        await self.services.answer_with(ResolveServers, lambda _: self.servers)

    def replace(self, **changed: Any) -> None:
        """Change the connection of the only server."""
        [server] = self.servers
        assert server.connection
        connection = server.connection.model_copy(update=changed)
        self.servers = [server.model_copy(update={"connection": connection})]


# Runs in a sandbox, with the standard library alone.
PROGRAM = """
import json, os, sys, time

def answer(method, params):
    if method == "initialize":
        info = {"name": "lab", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [{"name": "evaluate", "inputSchema": {"type": "object"}}]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": str(eval(params["arguments"]["code"]))}]}
    return {}

for line in sys.stdin:
    request = json.loads(line)
    if "id" in request and "method" in request:
        result = answer(request["method"], request.get("params", {}))
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""


def program() -> ResolvedServer:
    """Return a STDIO server whose tool evaluates Python."""
    definition = {"name": "lab", "server_type": "STDIO", "command": str(PYTHON), "args": ["-I", "-c", PROGRAM]}
    return resolved("lab", definition=definition, headers={}, env={"TOKEN": SECRET})


def limited(name: str, *tools: str) -> ResolvedServer:
    """Return a server of which sessions get only these tools."""
    definition = {"name": name, "server_type": "HTTP", "url": "https://mcp.example.org", "allowed_tools": tools}
    return resolved(name, definition=definition)


class Colour(BaseModel):
    """What the tool `paint` asks the user."""

    colour: str


async def ask_colour() -> Elicit[Colour]:
    """Ask the user for a colour."""
    return Elicit("Which colour?", Colour)


class Lab(MCPServer):
    """A server whose tools note how they were called."""

    def __init__(self, echo_description: str = "Returns the text.") -> None:
        super().__init__("lab")
        self.calls: list[str] = []
        self.add_tool(self.echo, name="echo", description=echo_description)
        self.add_tool(self.look, name="look", annotations=ToolAnnotations(read_only_hint=True))
        for tool in (self.fail, self.leak, self.paint):
            self.add_tool(tool, name=tool.__name__)
        self.resource("note://one", name="one")(self.note)

    async def echo(self, text: str) -> str:
        """Return the text."""
        self.calls.append(text)
        return text

    async def look(self) -> str:
        """Return something, and change nothing."""
        return "nothing here"

    async def fail(self) -> str:
        """Fail."""
        raise ValueError("no luck")

    async def leak(self) -> str:
        """Return the secret that the server was given."""
        return f"The token is {SECRET}."

    async def paint(self, answer: Annotated[ElicitationResult[Colour], Resolve(ask_colour)]) -> str:
        """Ask the user for a colour."""
        return f"accept {answer.data.colour}" if answer.action == "accept" else answer.action

    def note(self) -> str:
        """Return the content of a resource."""
        return f"A note with {SECRET}."


def agent_servers(servers: Sequence[ResolvedServer], connections: Connections) -> AgentServers:
    """Return the servers of an agent that works for no run."""
    calls = ServerCalls(cast(Any, None), new_id(), lambda: (None, 0))
    return AgentServers(servers, Path("/w"), connections, Permits(SdkOptions()), calls)

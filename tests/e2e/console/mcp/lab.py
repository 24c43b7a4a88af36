"""An MCP server whose tools a test changes, and one of whose tools asks the user."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, Self

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp_connection.testing.server import http_app, serving
from pydantic import BaseModel, Field

from tests.e2e.user import User


class Order(BaseModel):
    """What the tool `order` asks the user."""

    dish: str = Field(title="<b>Dish</b>", description="What would you like?", min_length=3)
    guests: int = Field(ge=1, le=8)
    tip: float | None = None
    size: Literal["small", "large"] = "small"
    takeaway: bool = False


async def _ask_order() -> Elicit[Order]:
    return Elicit("Your <i>order</i>, please.", Order)


class Lab:
    """The server; `url` is set while it runs."""

    def __init__(self) -> None:
        self.app, self.url = MCPServer("lab", version="1.0.0", log_level="CRITICAL"), ""
        self.describe("Returns the text.")
        self.app.add_tool(self._order, name="order", description="Orders a dish.")

    def describe(self, description: str) -> None:
        """Set the description of the tool `echo`."""
        if self.url:
            self.app.remove_tool("echo")
        self.app.add_tool(self._echo, name="echo", description=description)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Self]:
        """Run the server for the duration of the context."""
        async with serving(http_app(self.app)) as origin:
            self.url = f"{origin}/mcp"
            yield self

    async def _echo(self, text: str) -> str:
        return text

    async def _order(self, answer: Annotated[ElicitationResult[Order], Resolve(_ask_order)]) -> str:
        return answer.data.model_dump_json() if isinstance(answer, AcceptedElicitation) else answer.action


def register(user: User, url: str, **fields: Any) -> str:
    """Register a remote server, and return its id. It is checked in the background."""
    body = {"name": "lab", "server_type": "HTTP", "url": url} | fields
    return user.http.post("/mcp-servers", json=body).raise_for_status().json()["id"]

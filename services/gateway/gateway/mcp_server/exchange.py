"""The HTTP response to one message of an MCP client: Streamable HTTP, without sessions."""

from collections.abc import Iterator

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gateway.mcp_server.call import Call
from gateway.mcp_server.server import create_server
from gateway.routing.prefer import accepts_events


class Exchange(Response):
    """Answers one message: with events, among them the progress, or with JSON if the client accepts only that."""

    def __init__(self, call: Call, body: bytes, version: str) -> None:
        super().__init__()
        self.call, self.sent, self.version = call, body, version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. When the client disconnects, what it waits for continues without it."""
        # A manager per message: when it ends, nothing of the message runs any more, also if the client is gone.
        manager = StreamableHTTPSessionManager(
            create_server(self.call, self.version),
            json_response=not accepts_events(self.call.request),
            stateless=True,
        )
        async with manager.run():
            await manager.handle_request(scope, _replayed(self.sent, receive), send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return the messages of a request whose body was read before."""
    first: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Message:
        return next(first, None) or await receive()

    return replay

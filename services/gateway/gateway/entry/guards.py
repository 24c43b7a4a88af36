"""Security headers of every response: no content sniffing, no loading or running of content, no caching."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""The defaults; HTML pages set a content security policy of their own."""
CREDENTIALS = frozenset({b"authorization", b"x-api-key"})
DEFAULTS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
PRIVATE = [*DEFAULTS, (b"cache-control", b"no-store")]
"""The headers as they are sent, without and with those of responses to clients with credentials."""
STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
"""The messages that begin a response; the second one refuses a WebSocket."""


class Guards:
    """The outermost ASGI middleware, so that the responses of all other layers have the headers too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the missing headers to the response."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] in STARTS:
                present = {name for name, _ in message["headers"]}
                added = PRIVATE if any(name in CREDENTIALS for name, _ in scope["headers"]) else DEFAULTS
                message["headers"] = [*message["headers"], *(each for each in added if each[0] not in present)]
            await send(message)

        await self.app(scope, receive, guarded)

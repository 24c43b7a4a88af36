"""Security headers of every response: no content sniffing, no loading or running of content, no caching."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""The defaults; HTML pages set a content security policy of their own."""
CREDENTIALS = ("authorization", "x-api-key")
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
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if any(name in Headers(scope=scope) for name in CREDENTIALS):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, guarded)

"""What every answer tells the browser that may get it: take it for nothing else, load and run nothing, keep no copy."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""For answers that say nothing else; the pages have policies of their own."""


STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
"""How an answer begins; the second is that of a WebSocket that is refused."""


class Guards:
    """Wraps the application, as plain ASGI, outermost: what other layers answer is guarded too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers that are missing to the answer."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] in STARTS:
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if "authorization" in Headers(scope=scope):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, guarded)

"""HEAD requests: the response to GET, without its body."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Head:
    """Runs GET until the headers of the response are known, and then cancels it: streams and downloads end there."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        answered = asyncio.timeout(None)

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.start" or answered.when() is not None:
                return
            scope["method"] = "HEAD"  # the server must see HEAD, to send no body
            answered.reschedule(asyncio.get_running_loop().time())
            await send(message)
            await send({"type": "http.response.body", "body": b""})

        scope["method"] = "GET"
        try:
            async with answered:
                await self.app(scope, receive, send_head)
        except TimeoutError:
            if not answered.expired():
                raise
        finally:
            scope["method"] = "HEAD"

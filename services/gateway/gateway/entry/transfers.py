"""Ends uploads and downloads in progress whose client loses its access, wherever a route reads or sends their parts."""

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clients.auth.token import Token
from gateway.entry.parts import Parts
from gateway.entry.throttling import EVENT_STREAM
from gateway.problems import Problem


class AccessLost(ClientDisconnect):
    """The client was logged out or disabled during the response, which ends here: its status can not be changed."""


class Transfers:
    """Middleware within `Throttling`, which has authenticated the client."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self.app, self.tokens = app, parts.tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and check the access of its client again before each part of a body is passed on."""
        token = scope.get("authenticated")
        if scope["type"] != "http" or not isinstance(token, Token):
            await self.app(scope, receive, send)
            return
        tokens, is_stream = self.tokens, False

        async def receive_part() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                tokens.check_access(token)
            return message

        async def send_part(message: Message) -> None:
            nonlocal is_stream
            if message["type"] == "http.response.start":  # streams of events end with an event that says why
                is_stream = Headers(raw=message["headers"]).get("content-type", "").startswith(EVENT_STREAM)
            elif message.get("more_body") and not is_stream:
                try:
                    tokens.check_access(token)
                except Problem:
                    raise AccessLost from None
            await send(message)

        await self.app(scope, receive_part, send_part)

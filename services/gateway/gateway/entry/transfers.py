"""Bodies of requests and responses while they are transferred: how large they are, and whether the client has access.

Bodies end there whose client loses its access, wherever a route reads or sends their parts.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clients.auth.token import Token
from gateway.clients.auth.tokens import Tokens
from gateway.entry.parts import Parts
from gateway.entry.throttling import EVENT_STREAM
from gateway.problems import Problem
from gateway.routing.api_route import MAX_BODY_BYTES, SMALL_BODY_BYTES
from gateway.routing.body_sizes import BodySizes


class AccessLost(ClientDisconnect):
    """The client was logged out or disabled during the response, which ends here: its status can not be changed."""


class Transfers:
    """Middleware within `Throttling`, which has authenticated the client, and counts requests that are refused here."""

    def __init__(self, app: ASGIApp, parts: Parts, sizes: BodySizes) -> None:
        self.app, self.tokens, self.sizes = app, parts.tokens, sizes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and check each part of a body before it is passed on.

        Raises:
            HTTPException: the announced length is more than any client may send to the route.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        token = scope.get("authenticated")
        usual = MAX_BODY_BYTES if isinstance(token, Token) else SMALL_BODY_BYTES
        max_bytes = self.sizes.declared(scope["method"], scope["path"]) or usual
        # A smaller limit applies when the body is read: a route refuses the client before.
        _check_announced(Headers(scope=scope), max(max_bytes, MAX_BODY_BYTES))
        receive = _limited(scope, receive, max_bytes)
        if isinstance(token, Token):
            receive, send = _allowed_to_send(receive, self.tokens, token), _allowed_to_read(send, self.tokens, token)
        await self.app(scope, receive, send)


def _check_announced(headers: Headers, max_bytes: int) -> None:
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(max_bytes)


def _limited(scope: Scope, receive: Receive, max_bytes: int) -> Receive:
    """Return a `receive` that refuses a body as soon as it has more bytes, whatever length was announced."""
    scope["received_bytes"] = 0

    async def limited() -> Message:
        message = await receive()
        scope["received_bytes"] += len(message.get("body", b""))
        if scope["received_bytes"] > max_bytes:
            raise _too_large(max_bytes)
        return message

    return limited


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"The body is larger than the limit of {max_bytes} bytes.")


def _allowed_to_send(receive: Receive, tokens: Tokens, token: Token) -> Receive:
    async def receive_part() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            tokens.check_access(token)
        return message

    return receive_part


def _allowed_to_read(send: Send, tokens: Tokens, token: Token) -> Send:
    is_stream = False

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

    return send_part

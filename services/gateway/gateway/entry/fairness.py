"""Limits the requests of a user that are in progress, so that one user cannot keep the services from the others."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clients.auth.token import Token
from gateway.clients.rates.request_slots import current
from gateway.entry.parts import Parts


class Fairness:
    """Middleware within `Throttling`, which has authenticated the client."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self.app, self.parts = app, parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request in a slot of its user until its response begins: streams and downloads do not count.

        Raises:
            Problem: RATE_LIMIT_EXCEEDED, too many other requests of the user wait; UNAUTHENTICATED, the client has lost
                its access while this one waited.
        """
        client = scope.get("authenticated")
        if scope["type"] != "http" or not isinstance(client, Token):
            await self.app(scope, receive, send)
            return
        slot = await self.parts.request_slots.acquire(scope["user_id"])

        async def send_in_slot(message: Message) -> None:
            if message["type"] == "http.response.start":
                slot.release()
            await send(message)

        token = current.set(slot)
        try:
            self.parts.tokens.check_access(client)
            await self.app(scope, receive, send_in_slot)
        finally:
            current.reset(token)
            slot.release()

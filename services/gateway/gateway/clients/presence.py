"""Whether the client of a request is still there: connected, and allowed to get the response."""

from starlette.requests import Request

from gateway.clients.auth.token import Token
from gateway.clients.auth.tokens import Tokens
from gateway.problems import WaitRefused


async def disconnected(tokens: Tokens, request: Request) -> bool:
    """Return whether the client is gone. Called once a second while a request waits for what it has started.

    Raises:
        WaitRefused: its login or API key was revoked meanwhile, or its account disabled.
    """
    token = request.scope["authenticated"]
    if isinstance(token, Token) and tokens.is_revoked(token):
        raise WaitRefused
    return await request.is_disconnected()

"""Cookies that tie the authorization of an MCP server to the browser that started it.

Without them, users who open a URL that somebody else has sent, and consent there, would authorize a server of that
person. A cookie allows nothing else: it belongs to one attempt, and expires with it.
"""

from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

from contracts.mcp_registry.oauth import AUTHORIZATION_SECONDS
from starlette.requests import Request
from starlette.responses import Response

PREFIX = "__Host-"
"""With it, browsers accept the cookie from this host alone, not from another one of the same domain."""
STATE_CHARS = 24


def set_secret(response: Response, authorization_url: str, secret: str) -> None:
    """Set the cookie for the browser that opens the URL of an authorization."""
    parameters = parse_qs(urlsplit(authorization_url).query)
    is_secure = parameters.get("redirect_uri", [""])[-1].startswith("https:")
    # `lax`: the browser comes back from another site.
    response.set_cookie(
        _name(parameters.get("state", [""])[-1], is_secure=is_secure),
        secret,
        max_age=AUTHORIZATION_SECONDS,
        secure=is_secure,
        httponly=True,
        samesite="lax",
    )


def secret_of(request: Request) -> dict[str, Any]:
    """Return the secret of the browser that comes back with the `state` of an authorization, as fields of its command.

    They say whether only this host can have set the cookie. Without one there are none.
    """
    for is_secure in (True, False):
        name = _name(request.query_params.get("state", ""), is_secure=is_secure)
        if name in request.cookies:
            return {"browser_secret": request.cookies[name], "is_host_secret": is_secure}
    return {}


def forget_secret(response: Response, request: Request) -> None:
    """Delete the cookie of the browser that has come back."""
    for is_secure in (True, False):
        name = _name(request.query_params.get("state", ""), is_secure=is_secure)
        if name in request.cookies:
            response.delete_cookie(name, secure=is_secure, httponly=True, samesite="lax")


def _name(state: str, *, is_secure: bool) -> str:
    # One for each attempt, since a user may authorize several servers at the same time.
    digest = sha256(state.encode(errors="replace")).hexdigest()[:STATE_CHARS]
    return f"{PREFIX if is_secure else ''}mcp-authorization-{digest}"

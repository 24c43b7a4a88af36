"""Exchanges codes for tokens, refreshes tokens, and revokes them (RFC 6749, 7636, 7009)."""

import base64
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
from contracts.mcp_registry.oauth import PendingAuthorization, Registration, Tokens
from contracts.refusals import Code
from mcp.shared.auth import OAuthToken
from pydantic import BaseModel

from mcp_registry.oauth.errors import AuthorizationRefused
from mcp_registry.oauth.requests import Requests, check_available, parsed

MAX_LIFETIME = timedelta(days=3650)
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
"""Characters that a header can hold, within a bound."""
_ERROR = re.compile(r"[a-z_]{1,64}")


class _Error(BaseModel):
    error: str


async def exchange(pending: PendingAuthorization, now: datetime, requests: Requests) -> Tokens:
    """Return the tokens for the code of a pending authorization.

    Raises:
        AuthorizationRefused: the authorization server refuses the code, or its answer is not valid.
        AuthorizationServerUnavailable: it does not answer. The code may have been used.
    """
    grant = {
        "grant_type": "authorization_code",
        "code": pending.code or "",
        "redirect_uri": pending.redirect_uri,
        "code_verifier": pending.code_verifier,
    }
    return await _tokens(pending, grant, now, requests)


async def refresh(tokens: Tokens, now: datetime, requests: Requests) -> Tokens:
    """Return new tokens. Raises as `exchange` does.

    A server that does not rotate refresh tokens returns none: the present one stays valid.
    """
    grant = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
    refreshed = await _tokens(tokens, grant, now, requests)
    return refreshed.model_copy(update={"refresh_token": refreshed.refresh_token or tokens.refresh_token})


async def revoke(tokens: Tokens, requests: Requests) -> bool:
    """Have tokens revoked, and return whether the authorization server confirms it.

    Raises:
        AuthorizationRefused: the URL of the authorization server is no longer allowed.
        AuthorizationServerUnavailable: it does not answer.
    """
    if tokens.revocation_endpoint is None:
        return False
    confirmed = True
    for hint in ("refresh_token", "access_token"):
        if token := getattr(tokens, hint):
            form = {"token": token, "token_type_hint": hint}
            response = await _post(tokens.revocation_endpoint, form, tokens, requests)
            check_available(response)
            confirmed = confirmed and response.is_success
    return confirmed


async def _tokens(client: Registration, grant: dict[str, str], now: datetime, requests: Requests) -> Tokens:
    response = await _post(client.token_endpoint, grant | {"resource": client.resource}, client, requests)
    check_available(response)
    received = parsed(OAuthToken, response)
    if received is None:
        raise AuthorizationRefused(Code.AUTHORIZATION_FAILED, _reason(response))
    access, renewal = received.access_token, received.refresh_token or None
    if not _TOKEN.fullmatch(access) or not (renewal is None or _TOKEN.fullmatch(renewal)):
        raise AuthorizationRefused(Code.AUTHORIZATION_FAILED, "The authorization server returned an invalid token.")
    return Tokens(
        **client.model_dump(include={*Registration.model_fields} - {"scope"}),
        scope=received.scope or client.scope,
        access_token=access,
        refresh_token=renewal,
        expires_at=_expires_at(received.expires_in, now),
    )


def _expires_at(seconds: int | None, now: datetime) -> datetime | None:
    if seconds is None or seconds <= 0:
        return None
    return now + (timedelta(seconds=seconds) if seconds < MAX_LIFETIME.total_seconds() else MAX_LIFETIME)


async def _post(url: str, form: dict[str, str], client: Registration, requests: Requests) -> httpx2.Response:
    headers: dict[str, Any] = {}
    form = form | {"client_id": client.client_id}
    if client.client_secret and client.auth_method == "client_secret_basic":
        pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    elif client.client_secret and client.auth_method == "client_secret_post":
        form["client_secret"] = client.client_secret
    return await requests.send("POST", url, data=form, headers=headers)


def _reason(response: httpx2.Response) -> str:
    """Return why there are no tokens: only the error code, since a description could repeat what was sent."""
    try:
        code = _Error.model_validate_json(response.content).error
    except ValueError:
        code = ""
    known = f": {code}" if _ERROR.fullmatch(code) else ""
    return f"The authorization server refused to issue tokens{known}. Authorize the server again."

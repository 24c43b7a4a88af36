"""API keys: `/api/v1/auth/api-keys`."""

from typing import Annotated
from uuid import UUID

from contracts.identity.api_key import ListApiKeys, RevokeApiKey
from contracts.refusals import Code
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Login, TokenHolder
from gateway.problems import documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.schemas.api_key import ApiKeyPage, ApiKeyWindow, ApiKeyWithText, NewApiKey
from gateway.state import gateway_of

router = APIRouter(prefix="/api/v1/auth/api-keys", tags=["Authentication"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createApiKey",
    summary="Create an API key",
    status_code=201,
    response_model=ApiKeyWithText,
    responses=headed(
        documented(Code.USER_NOT_FOUND, Code.NOT_OWNER, Code.ADMINS_ONLY, Code.TOO_MANY_API_KEYS),
        {201: ("Cache-Control",)},
    ),
)
async def create(body: NewApiKey, user: Login) -> Response:
    """Creates a key by which a program authenticates, and returns it. Its text is not shown again.

    Send it as `Authorization: Bearer agk_...` or as `X-API-Key`. An account has at most 50 keys. A key acts with the
    role that the account has at that time. This needs a login: an API key cannot create others.
    """
    created = await user.ask(body.command(user.actor.user_id))
    return ApiKeyWithText.of(created).response(201)


@router.get(
    "",
    operation_id="listApiKeys",
    summary="List API keys",
    response_model=ApiKeyPage,
)
async def index(window: Annotated[ApiKeyWindow, Query()], user: TokenHolder, request: Request) -> Response:
    """Returns the API keys of the account, newest first, without their texts."""
    query = ListApiKeys(user_id=window.user_id or user.actor.user_id, skip=window.skip, limit=window.limit)
    page = await user.ask(query)
    return ApiKeyPage.over(page, window, request).response()


@router.delete(
    "/{key_id}",
    operation_id="revokeApiKey",
    summary="Revoke an API key",
    status_code=204,
    responses=documented(Code.API_KEY_NOT_FOUND),
)
async def revoke(key_id: UUID, user: Login, request: Request) -> Response:
    """Revokes an API key: requests and streams with it end within a second."""
    await user.ask(RevokeApiKey(key_id=key_id))
    gateway_of(request).revocations.add(key_id)
    return Response(status_code=204)

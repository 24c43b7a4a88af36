"""The public keys that verify access tokens."""

from fastapi import APIRouter, Request, Response
from runtime.bus import Unavailable

from gateway.problems import EdgeCode, documented, headed
from gateway.schemas.identity import KeySet
from gateway.state import gateway_of

router = APIRouter(prefix="/.well-known", tags=["Authentication"])


@router.get(
    "/jwks.json",
    operation_id="getKeys",
    summary="Get the public keys",
    response_model=KeySet,
    responses=headed(documented(EdgeCode.UNAVAILABLE), {200: ("Cache-Control",)}),
)
async def keys(request: Request) -> Response:
    """Returns the keys that verify access tokens, as a JWK Set (RFC 7517).

    A key is published before the first token is signed with it.
    """
    published = gateway_of(request).keys.published
    if published is None:
        raise Unavailable("the public keys of access tokens are not loaded yet")
    return KeySet.of(published).response(headers={"Cache-Control": "public, max-age=60"})

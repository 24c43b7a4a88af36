"""The API as an MCP server: `/mcp`. MCP describes its tools itself, so they are not in the OpenAPI document."""

from typing import Annotated, Any

from contracts.wire import AGENT_DEPTH_HEADER
from fastapi import APIRouter, Body, Header, Request, Response
from runtime.late_imports import load

from gateway.clients.authentication import Reader
from gateway.mcp_server.call import PATH, Call
from gateway.problems import EdgeCode, Problem
from gateway.routes.operations import VERSION
from gateway.routing.bodies import JsonRoute
from gateway.state import gateway_of

router = APIRouter(route_class=JsonRoute, include_in_schema=False)


@router.post(PATH, operation_id="mcp")
async def serve(
    _message: Annotated[Any, Body()],
    caller: Reader,
    request: Request,
    depth: Annotated[int, Header(alias=AGENT_DEPTH_HEADER, ge=0)] = 0,
) -> Response:
    """Answers a message of an MCP client. Each tool decides what viewers may do."""
    _check_origin(request)
    # The library takes 20 MiB, and half a second beside other requests: it is loaded for the first client of MCP.
    exchange = await load("gateway.mcp_server.exchange")
    return exchange.Exchange(Call(caller, request, depth, _no_progress), await request.body(), VERSION)


def _check_origin(request: Request) -> None:
    """Check that a page which sends a message is one of this server, or of CORS_ORIGINS, as the protocol demands.

    Raises:
        Problem: ORIGIN_NOT_ALLOWED.
    """
    origin, allowed = request.headers.get("origin"), gateway_of(request).settings.origins
    if origin is None or origin in allowed or "*" in allowed:
        return
    if origin.lower().partition("://")[2] != request.headers.get("host", "").lower():
        detail = f"Pages of this origin may not use `{PATH}`. The operator can add it to CORS_ORIGINS."
        raise Problem(EdgeCode.ORIGIN_NOT_ALLOWED, detail)


async def _no_progress(_progress: float, _total: float | None, _message: str | None) -> None:
    """Do nothing: only calls of tools report progress."""

"""Authorization of MCP servers with OAuth: `/api/v1/mcp-servers/{server_id}/authorize`, and the way back."""

from functools import partial
from uuid import UUID

from contracts.mcp_registry.authorization import AuthorizationView, GetAuthorization, RevokeAuthorization
from contracts.refusals import Code, Refusal
from fastapi import APIRouter, Depends, Request, Response
from runtime.bus import Unavailable
from starlette.responses import HTMLResponse

from gateway.clients.auth.browser_secrets import forget_secret, secret_of, set_secret
from gateway.clients.auth.callers import Anyone
from gateway.clients.authentication import AnyoneOrWriter, Caller
from gateway.problems import EdgeCode, Problem, documented
from gateway.routing.bodies import JsonRoute
from gateway.routing.changes import Unrecorded
from gateway.schemas.mcp_authorization import McpAuthorization, NewMcpAuthorization, returned
from gateway.schemas.mcp_server import server_path
from gateway.state import gateway_of

CHANGE_PROBLEMS = (Code.ADMINS_ONLY, Code.MCP_SERVER_NOT_FOUND)
NO_CLIENT = NewMcpAuthorization()

# Constant pages: nothing that an authorization server or an attacker sends is shown.
PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><p>{text}</p></html>'
RETURNED = PAGE.format(
    title="Authorization received",
    text="The MCP server is being connected. You can close this window.",
)
NOT_AUTHORIZED = PAGE.format(
    title="Not authorized",
    text="The authorization was refused, is not valid, was used already, has expired, or was started in another "
    "browser, or at another address of this service. Start it again. If a program started it, request the address of "
    "this page with your access token.",
)
PAGE_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}

router = APIRouter(prefix="/api/v1/mcp-servers/{server_id}", tags=["MCP servers"], route_class=JsonRoute)


class _CallbackRoute(JsonRoute):
    checks_parameters = False  # OAuth requires to ignore unknown ones


callback = APIRouter(route_class=_CallbackRoute)


@router.post(
    "/authorize",
    operation_id="authorizeMcpServer",
    dependencies=[Depends(Unrecorded())],
    summary="Authorize an MCP server",
    response_model=McpAuthorization,
    responses=documented(
        *CHANGE_PROBLEMS,
        Code.ADDRESS_NOT_ALLOWED,
        Code.AUTHORIZATION_FAILED,
        Code.AUTHORIZATION_NOT_SUPPORTED,
        EdgeCode.ANSWER_NOT_READY,
    ),
)
async def authorize(
    server_id: UUID, caller: Caller, request: Request, body: NewMcpAuthorization = NO_CLIENT
) -> Response:
    """Finds the authorization server of an MCP server, and returns the URL at which a user consents.

    The response sets a cookie, so the browser that sent the request has to open the URL; a program requests the address
    to which the user is sent back, with the access token. Afterwards the server `is_authorized`, and is checked. The
    event `mcp_server.authorized` or `mcp_server.authorization_failed` is sent. Starting again replaces an authorization
    in progress.
    """
    gateway, started = gateway_of(request), await caller.ask(body.command(server_id))
    is_gone = gateway.disconnected(request)
    attempt = await gateway.waits.until(_is_prepared, started, partial(_read, caller), is_gone)
    if not _is_prepared(attempt):
        raise gateway.waits.timed_out("authorization", server_path(server_id), server_id=str(server_id))
    if attempt.authorization_url is None:
        code, detail = attempt.error_code or Code.AUTHORIZATION_FAILED, attempt.error_detail or "It was ended."
        raise Problem(code, detail)
    response = McpAuthorization(authorization_url=attempt.authorization_url, expires_at=attempt.expires_at).response()
    if attempt.browser_secret:
        set_secret(response, attempt.authorization_url, attempt.browser_secret)
    return response


@router.delete(
    "/authorization",
    operation_id="revokeMcpServerAuthorization",
    summary="Revoke the authorization of an MCP server",
    status_code=204,
    responses=documented(*CHANGE_PROBLEMS),
)
async def revoke(server_id: UUID, caller: Caller) -> Response:
    """Forgets the tokens of the server at once, and has its authorization server revoke them in the background."""
    await caller.ask(RevokeAuthorization(server_id=server_id))
    return Response(status_code=204)


@callback.get("/api/v1/mcp-servers/oauth/callback", include_in_schema=False)
async def come_back(client: AnyoneOrWriter, request: Request) -> Response:
    """Receives a user from an authorization server, with the cookie of the browser that started, or an access token."""
    command = returned(request.query_params, secret_of(request))
    try:
        consented = command is not None and await client.ask(command)
    except Refusal:
        consented = False
    page = HTMLResponse(RETURNED if consented else NOT_AUTHORIZED, 200 if consented else 400, PAGE_HEADERS)
    forget_secret(page, request)
    return page


def _is_prepared(attempt: AuthorizationView) -> bool:
    return attempt.status != "pending"


async def _read(caller: Anyone, attempt: AuthorizationView, _: bool) -> AuthorizationView:
    try:
        return await caller.ask(GetAuthorization(server_id=attempt.server_id, authorization_id=attempt.id))
    except Unavailable:  # another replica takes over
        return attempt

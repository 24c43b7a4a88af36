"""Bus users, by which programs receive events from NATS: `/api/v1/auth/bus-users`."""

from typing import Annotated
from uuid import UUID

from contracts.identity.bus_user import GetBusUser, RevokeBusUser
from contracts.refusals import Code
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller, Login
from gateway.problems import documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.schemas.bus_user import BusUser, BusUserPage, BusUserWindow, BusUserWithSeed, NewBusUser, Replay

router = APIRouter(prefix="/api/v1/auth/bus-users", tags=["Authentication"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createBusUser",
    summary="Create a bus user",
    status_code=201,
    response_model=BusUserWithSeed,
    responses=headed(
        documented(Code.ADMINS_ONLY, Code.BUS_USERS_NOT_AVAILABLE, Code.INVALID_EVENT_NAME, Code.TOO_MANY_BUS_USERS),
        {201: ("Location", "Cache-Control")},
    ),
)
async def create(body: NewBusUser, user: Login) -> Response:
    """Creates a user of NATS, by which a program receives events, and returns it with its private key.

    The key is not stored, and not shown again. An account has at most 20 bus users. This needs a login: an API key
    cannot create any.
    """
    created = BusUserWithSeed.of(await user.ask(body.command()))
    return created.response(201, {"Location": f"/api/v1/auth/bus-users/{created.id}"})


@router.get(
    "",
    operation_id="listBusUsers",
    summary="List bus users",
    response_model=BusUserPage,
    responses=documented(Code.BUS_USER_NOT_FOUND),
)
async def index(window: Annotated[BusUserWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns the bus users of the account, newest first, without their private keys. Administrators see all."""
    return BusUserPage.over(await caller.ask(window.query()), window, request).response()


@router.get(
    "/{bus_user_id}",
    operation_id="getBusUser",
    summary="Get a bus user",
    response_model=BusUser,
    responses=documented(Code.BUS_USER_NOT_FOUND),
)
async def show(bus_user_id: UUID, caller: Caller) -> Response:
    """Returns the bus user, with what a program needs in order to receive events."""
    return BusUser.of(await caller.ask(GetBusUser(bus_user_id=bus_user_id))).response()


@router.post(
    "/{bus_user_id}/replay",
    operation_id="replayBusUser",
    summary="Receive events again",
    response_model=BusUser,
    responses=documented(Code.BUS_USER_NOT_FOUND),
)
async def replay(bus_user_id: UUID, body: Replay, user: Login) -> Response:
    """Sends all events since a time again, as far as they are kept, and returns the bus user.

    Its connections end within a second; the events begin when its programs connect again.
    """
    return BusUser.of(await user.ask(body.command(bus_user_id))).response()


@router.delete(
    "/{bus_user_id}",
    operation_id="revokeBusUser",
    summary="Revoke a bus user",
    status_code=204,
    responses=documented(Code.BUS_USER_NOT_FOUND),
)
async def revoke(bus_user_id: UUID, user: Login) -> Response:
    """Revokes the bus user: its programs receive nothing more, and their connections end within a second."""
    await user.ask(RevokeBusUser(bus_user_id=bus_user_id))
    return Response(status_code=204)

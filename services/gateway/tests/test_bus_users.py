"""The routes of bus users."""

from datetime import timedelta
from typing import Any

import httpx
from contracts.identity.bus_user import (
    BusUserView,
    CreateBusUser,
    GetBusUser,
    ListBusUsers,
    NewBusUserView,
    ReplayBusUser,
    RevokeBusUser,
)
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import BUS_USER
from runtime import clock

from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

BUS_USERS = "/api/v1/auth/bus-users"
ONE = f"{BUS_USERS}/{BUS_USER}"


async def test_a_created_bus_user_is_returned_with_its_seed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateBusUser, NewBusUserView.example())
    response = await client.post(BUS_USERS, json={"name": " billing "})
    assert (response.status_code, response.headers["location"]) == (201, ONE)
    assert response.json()["seed"] == NewBusUserView.example().seed
    assert response.headers["cache-control"] == "no-store"
    command = services.of(CreateBusUser)[-1]
    assert (command.name, command.types, command.all_users, command.since) == ("billing", ["*"], False, None)


FUTURE = (clock.now() + timedelta(hours=1)).isoformat()


@each(
    "wrong",
    [
        *({"name": ""}, {"name": "x" * 201}, {"types": "session.*"}, {"types": [1]}, {"all_users": "yes"}),
        *({"since": "yesterday"}, {"since": FUTURE}, {"seed": "SU"}, {"public_key": "U"}),
    ],
)
async def test_an_invalid_bus_user_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    assert (await client.post(BUS_USERS, json={"name": "billing"} | wrong)).status_code == 422


@each(
    ("code", "status"),
    [
        (Code.INVALID_EVENT_NAME, 422),
        (Code.ADMINS_ONLY, 403),
        (Code.TOO_MANY_BUS_USERS, 409),
        (Code.BUS_USERS_NOT_AVAILABLE, 409),
    ],
)
async def test_refusals_have_their_status(client: httpx.AsyncClient, services: FakeServices, code: Code, status: int):
    await services.answer(CreateBusUser, Refused(code=code, detail="No."))
    response = await client.post(BUS_USERS, json={"name": "billing"})
    assert (response.status_code, response.json()["error_code"]) == (status, code)


async def test_bus_users_are_listed_without_their_seeds(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListBusUsers, Page[BusUserView](items=[BusUserView.example()], total=1))
    response = await client.get(BUS_USERS)
    assert [item["id"] for item in response.json()["items"]] == [BUS_USER]
    assert "seed" not in response.text


async def test_a_bus_user_is_shown(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetBusUser, BusUserView.example())
    assert (await client.get(ONE)).json()["consumer"] == BusUserView.example().consumer


async def test_a_bus_user_begins_again(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ReplayBusUser, BusUserView.example())
    since = "2020-01-01T00:00:00Z"
    assert (await client.post(f"{ONE}/replay", json={"since": since})).status_code == 200
    assert services.of(ReplayBusUser)[-1].since.isoformat() == "2020-01-01T00:00:00+00:00"


async def test_a_bus_user_is_revoked(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(RevokeBusUser, None)
    assert (await client.delete(ONE)).status_code == 204
    assert str(services.of(RevokeBusUser)[-1].bus_user_id) == BUS_USER

"""Revoked tokens are refused."""

import asyncio

import httpx
import pytest
from contracts.identity.queries import GetUser
from contracts.samples import FAMILY
from contracts.wire import REVOCATIONS
from gateway.auth import revocations
from gateway.auth.revocations import Revocations
from gateway.settings import Settings
from onebox.nats import EmbeddedNats
from runtime.bus import connected
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.door import Door, working
from services.gateway.tests.stand_ins import OTHER, Services

ME = "/api/v1/auth/me"


async def revoke(services: Services, family: str = FAMILY) -> None:
    await services.publish_revocations(family, complete=False)


async def test_a_revoked_family_is_401(client: httpx.AsyncClient, door: Door, services: Services):
    await services.answer(GetUser, samples.user())
    assert (await client.get(ME)).status_code == 200
    await revoke(services)
    await eventually(lambda: len(door.gateway.revocations.families) == 1)
    answer = await client.get(ME)
    assert (answer.status_code, answer.json()["detail"]) == (401, "The access token was revoked.")


async def test_other_families_stay(client: httpx.AsyncClient, door: Door, services: Services):
    await services.answer(GetUser, samples.user())
    await revoke(services, str(OTHER))
    await eventually(lambda: OTHER in door.gateway.revocations)
    assert (await client.get(ME)).status_code == 200


async def test_what_was_revoked_before_the_start_is_known(services: Services, settings: Settings):
    await revoke(services, str(OTHER))
    async with working(settings) as gateway:
        await eventually(lambda: gateway.revocations.known)
        assert OTHER in gateway.revocations


async def test_until_the_revocations_are_known_nobody_is_let_in(client: httpx.AsyncClient, door: Door):
    door.gateway.revocations.known = False
    assert (await client.get(ME)).status_code == 503


async def test_a_bus_that_lost_everything_lets_nobody_in_until_all_is_there_again(
    client: httpx.AsyncClient, door: Door, services: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(revocations, "QUIET", 0.1)
    await services.answer(GetUser, samples.user())
    await services.js.delete_key_value(REVOCATIONS)
    await eventually(lambda: not door.gateway.revocations.known)
    await revoke(services)  # told before the rest is there again
    await eventually(lambda: len(door.gateway.revocations.families) == 1)
    assert (await client.get(ME)).status_code == 503
    assert (await client.get("/health/ready")).json()["checks"][
        "revocations"
    ] == "the revoked tokens are not loaded yet"
    await services.publish_revocations()
    await eventually(lambda: door.gateway.revocations.known)
    assert (await client.get(ME)).status_code == 401


async def test_a_start_on_a_bus_that_lost_everything_waits_for_what_was_revoked(services: Services, settings: Settings):
    await services.js.delete_key_value(REVOCATIONS)
    async with working(settings) as gateway:
        await eventually(lambda: gateway.keys.published is not None)
        await revoke(services)
        await eventually(lambda: len(gateway.revocations.families) == 1)
        assert not gateway.revocations.known
        await services.publish_revocations()
        await eventually(lambda: gateway.revocations.known)


async def test_a_quiet_watch_begins_anew(services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(revocations, "QUIET", 0.1)
    monkeypatch.setattr(revocations, "TICK", 0.05)
    async with connected(settings.nats_url, "gateway") as client:
        watched = Revocations(client)
        await asyncio.wait_for(watched.watch(), 5)
        await revoke(services, str(OTHER))
        await asyncio.wait_for(watched.watch(), 5)
        assert OTHER in watched


async def test_a_revocation_after_a_restart_of_the_bus_is_known(
    door: Door, services: Services, nats_server: EmbeddedNats
):
    await asyncio.to_thread(restart, nats_server)
    await eventually(lambda: services.client.is_connected and door.gateway.bus.client.is_connected)
    await revoke(services, str(OTHER))
    await eventually(lambda: OTHER in door.gateway.revocations)


def restart(server: EmbeddedNats) -> None:
    server.child.ask_to_stop()
    server.child.finish()
    server.start()


async def test_old_revocations_are_forgotten(services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(revocations, "QUIET", 0.1)
    monkeypatch.setattr(revocations, "TICK", 0.05)
    async with connected(settings.nats_url, "gateway") as client:
        watched = Revocations(client)
        watched.families["old"] = 0
        await asyncio.wait_for(watched.watch(), 5)
        assert "old" not in watched.families

"""Revoked token families."""

import asyncio

import httpx
import pytest
from contracts.identity.user import GetUser
from contracts.samples import FAMILY
from contracts.wire import REVOCATIONS
from gateway.clients.auth import revocations
from gateway.clients.auth.revocations import Revocations
from gateway.settings import Settings
from onebox.nats import EmbeddedNats
from runtime.bus import connected, key_value
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness, running_gateway

ME = "/api/v1/auth/me"


@pytest.fixture
def short_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a watch end soon; on a busy machine, it may end before its first entry has arrived."""
    monkeypatch.setattr(revocations, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(key_value, "POLL_SECONDS", 0.05)


async def revoke(services: FakeServices, family: str = FAMILY) -> None:
    await services.publish_revocations(family, complete=False)


async def test_a_revoked_family_is_401(client: httpx.AsyncClient, harness: Harness, services: FakeServices):
    await services.answer(GetUser, samples.user())
    assert (await client.get(ME)).status_code == 200
    await revoke(services)
    await eventually(lambda: len(harness.gateway.revocations.families) == 1)
    response = await client.get(ME)
    assert (response.status_code, response.json()["detail"]) == (401, "The access token was revoked.")


async def test_other_families_are_not_revoked(client: httpx.AsyncClient, harness: Harness, services: FakeServices):
    await services.answer(GetUser, samples.user())
    await revoke(services, str(OTHER))
    await eventually(lambda: OTHER in harness.gateway.revocations)
    assert (await client.get(ME)).status_code == 200


async def test_earlier_revocations_are_known_after_a_start(services: FakeServices, settings: Settings):
    await revoke(services, str(OTHER))
    async with running_gateway(settings) as gateway:
        await eventually(lambda: gateway.revocations.known)
        assert OTHER in gateway.revocations


async def test_tokens_are_503_until_the_revocations_are_known(client: httpx.AsyncClient, harness: Harness):
    harness.gateway.revocations.known = False
    assert (await client.get(ME)).status_code == 503


@pytest.mark.usefixtures("short_watches")
async def test_tokens_are_503_after_a_lost_bucket_until_it_is_complete(
    client: httpx.AsyncClient, harness: Harness, services: FakeServices
):
    await services.answer(GetUser, samples.user())
    await services.js.delete_key_value(REVOCATIONS)
    await eventually(lambda: not harness.gateway.revocations.known)
    await revoke(services)  # published before the other revocations are complete
    await eventually(lambda: len(harness.gateway.revocations.families) == 1)
    assert (await client.get(ME)).status_code == 503
    assert (await client.get("/health/ready")).json()["checks"][
        "revocations"
    ] == "the revoked tokens are not loaded yet"
    await services.publish_revocations()
    await eventually(lambda: harness.gateway.revocations.known)
    assert (await client.get(ME)).status_code == 401


async def test_a_start_with_a_lost_bucket_waits_until_it_is_complete(services: FakeServices, settings: Settings):
    await services.js.delete_key_value(REVOCATIONS)
    async with running_gateway(settings) as gateway:
        await eventually(lambda: gateway.keys.published is not None)
        await revoke(services)
        await eventually(lambda: len(gateway.revocations.families) == 1)
        assert not gateway.revocations.known
        await services.publish_revocations()
        await eventually(lambda: gateway.revocations.known)


@pytest.mark.usefixtures("short_watches")
async def test_a_silent_watch_is_restarted(services: FakeServices, settings: Settings):
    async with connected(settings.nats_url, "gateway") as client:
        watched = Revocations(client)
        await asyncio.wait_for(watched.watch(), 60)
        await revoke(services, str(OTHER))

        async def is_revoked() -> bool:
            await watched.watch()
            return OTHER in watched

        await eventually(is_revoked)


async def test_a_revocation_after_a_restart_of_the_bus_is_received(
    harness: Harness, services: FakeServices, nats_server: EmbeddedNats
):
    await asyncio.to_thread(restart, nats_server)
    await eventually(lambda: services.client.stats["reconnects"] and harness.gateway.bus.client.stats["reconnects"])
    await revoke(services, str(OTHER))
    await eventually(lambda: OTHER in harness.gateway.revocations)


def restart(server: EmbeddedNats) -> None:
    server.child.ask_to_stop()
    server.child.finish()
    server.start()


@pytest.mark.usefixtures("services", "short_watches")
async def test_expired_revocations_are_removed(settings: Settings):
    async with connected(settings.nats_url, "gateway") as client:
        watched = Revocations(client)
        watched.families["old"] = 0

        async def is_removed() -> bool:
            await watched.watch()
            return "old" not in watched.families

        await eventually(is_removed)

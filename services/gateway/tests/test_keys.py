"""The gateway's copy of the key ring: refresh, and outages of identity."""

import httpx
import pytest
from contracts.identity.login import GetKeys
from contracts.identity.user import GetUser
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway.clients.auth import keys
from runtime.bus import Bus, connected
from runtime.forever import NotYet
from structlog.testing import capture_logs

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

ME = "/api/v1/auth/me"


def requests_for_keys(services: FakeServices) -> int:
    return sum(isinstance(message, GetKeys) for message, _ in services.received)


async def test_a_new_key_is_fetched_for_its_first_token(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetUser, samples.user())
    services.keys.append(Ed25519PrivateKey.generate())
    response = await anonymous.get(ME, headers={"authorization": f"Bearer {services.token(1)}"})
    assert response.status_code == 200


async def test_waiting_for_an_identity_service_is_logged_once(nats_url: str):
    async with connected(nats_url, "gateway") as client:
        own = keys.Keys(Bus(client))
        with capture_logs() as logs:
            for _ in range(3):
                with pytest.raises(NotYet):
                    await own.stay_fresh()
    assert [entry["event"] for entry in logs] == [
        "waiting for the identity service, which has the keys of access tokens"
    ]


async def test_keys_are_fetched_at_most_once_per_pause(anonymous: httpx.AsyncClient, services: FakeServices):
    before = requests_for_keys(services)
    for number in range(5):
        token = services.token(header={"kid": f"made-up-{number}"})
        assert (await anonymous.get(ME, headers={"authorization": f"Bearer {token}"})).status_code == 401
    assert requests_for_keys(services) == before + 1


async def test_tokens_are_verified_while_identity_is_unavailable(harness: Harness, services: FakeServices):
    await services.stop()
    assert (await harness.gateway.tokens.verify(services.token())).actor.role == "user"


async def test_an_unknown_key_while_identity_is_unavailable_is_503(
    anonymous: httpx.AsyncClient, services: FakeServices
):
    token = services.token(header={"kid": "new"})
    await services.stop()
    for _ in range(2):
        assert (await anonymous.get(ME, headers={"authorization": f"Bearer {token}"})).status_code == 503


async def test_a_removed_key_invalidates_its_verified_tokens(
    harness: Harness, client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keys, "MIN_PAUSE_SECONDS", 0)
    await services.answer(GetUser, samples.user())
    assert (await client.get(ME)).status_code == 200
    services.keys = []
    await harness.gateway.keys.refresh()
    assert (await client.get(ME)).status_code == 401


async def test_only_published_keys_are_used(harness: Harness, services: FakeServices):
    await harness.gateway.keys.refresh()
    assert list(harness.gateway.keys.by_id) == ["key-0"]

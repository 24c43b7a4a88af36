"""The key ring follows identity, and outlives its absence."""

import httpx
import pytest
from contracts.identity.queries import GetKeys, GetUser
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway.auth import keys

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services

ME = "/api/v1/auth/me"


def asked(services: Services) -> int:
    return sum(isinstance(message, GetKeys) for message, _ in services.heard)


async def test_a_new_key_is_fetched_when_its_first_token_comes(stranger: httpx.AsyncClient, services: Services):
    await services.answer(GetUser, samples.user())
    services.keys.append(Ed25519PrivateKey.generate())
    answer = await stranger.get(ME, headers={"authorization": f"Bearer {services.token(1)}"})
    assert answer.status_code == 200


async def test_unknown_keys_are_asked_for_once_in_a_while(stranger: httpx.AsyncClient, services: Services):
    before = asked(services)
    for number in range(5):
        token = services.token(header={"kid": f"made-up-{number}"})
        assert (await stranger.get(ME, headers={"authorization": f"Bearer {token}"})).status_code == 401
    assert asked(services) == before + 1


async def test_tokens_are_verified_while_identity_is_away(door: Door, services: Services):
    await services.client.close()
    assert (await door.gateway.tokens.verify(services.token())).actor.role == "user"


async def test_an_unknown_key_while_identity_is_away_is_503(stranger: httpx.AsyncClient, services: Services):
    token = services.token(header={"kid": "new"})
    await services.client.close()
    for _ in range(2):
        assert (await stranger.get(ME, headers={"authorization": f"Bearer {token}"})).status_code == 503


async def test_a_withdrawn_key_ends_tokens_that_were_verified_with_it(
    door: Door, client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keys, "MIN_PAUSE_SECONDS", 0)
    await services.answer(GetUser, samples.user())
    assert (await client.get(ME)).status_code == 200
    services.keys = []
    await door.gateway.keys.refresh()
    assert (await client.get(ME)).status_code == 401


async def test_keys_of_other_kinds_are_left_alone(door: Door, services: Services):
    await door.gateway.keys.refresh()
    assert list(door.gateway.keys.by_id) == ["key-0"]

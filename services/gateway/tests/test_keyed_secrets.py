"""Secrets in keyed requests and in the responses to them: none is stored."""

from typing import Any

import httpx
from contracts.identity.api_key import CreateApiKey, NewApiKeyView
from contracts.identity.login import LogIn
from contracts.identity.user import RegisterUser
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import API_KEY, TIME, USER
from contracts.wire import IDEMPOTENCY
from gateway.schemas.base import ResponseModel, SecretResponse
from runtime.jetstream import jetstream

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.test_idempotency import KEY, ids_of_messages, problem

NEW_API_KEY: dict[str, Any] = {
    "id": API_KEY,
    "user_id": USER,
    "name": "CI",
    "scopes": ["read"],
    "created_at": TIME,
    "expires_at": None,
    "last_used_at": None,
    "key": "agk_0197a1f0000070008000000000000016_c2VjcmV0",
}


async def test_responses_with_secrets_are_not_stored(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateApiKey, NewApiKeyView.model_validate(NEW_API_KEY))
    body = {"name": "CI", "scopes": ["read"]}
    first = await client.post("/api/v1/auth/api-keys", json=body, headers=KEY)
    assert first.status_code == 201
    await services.answer(CreateApiKey, Refused(code=Code.COMMAND_REPEATED, detail="Done already."))
    assert problem(await client.post("/api/v1/auth/api-keys", json=body, headers=KEY)) == (409, "COMMAND_REPEATED")
    assert first.json()["key"].encode() not in await stored(services)
    assert len({*ids_of_messages(services, CreateApiKey)}) == 1


async def test_passwords_are_not_stored(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(RegisterUser, samples.user())
    body = {"email": "ada@example.com", "username": "ada", "password": "plantedsecret-analytical engine"}
    first, again = [await anonymous.post("/api/v1/auth/register", json=body, headers=KEY) for _ in range(2)]
    assert (first.status_code, again.status_code, again.headers["idempotent-replayed"]) == (201, 201, "true")
    assert len(services.of(RegisterUser)) == 1
    assert b"analytical" not in await stored(services)


async def test_logins_are_carried_out_each_time(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogIn, samples.tokens())
    body = {"email": "ada@example.com", "password": "plantedsecret-analytical engine"}
    for _ in range(2):
        response = await anonymous.post("/api/v1/auth/login", json=body, headers=KEY)
        assert (response.status_code, response.headers.get("idempotent-replayed")) == (200, None)
    assert len({*ids_of_messages(services, LogIn)}) == 2


async def stored(services: FakeServices) -> bytes:
    """Return everything that the bucket holds."""
    js = jetstream(services.client)
    state = (await js.stream_info(f"KV_{IDEMPOTENCY}")).state
    messages = [await js.get_msg(f"KV_{IDEMPOTENCY}", seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return b"".join(message.data or b"" for message in messages[-1:])


def test_responses_with_secrets_are_marked():
    secret = [model for model in _models(ResponseModel) if _has_secret(model)]
    assert len(secret) >= 5
    assert [model.__name__ for model in secret if not issubclass(model, SecretResponse)] == []


def _models(base: type[ResponseModel]) -> list[type[ResponseModel]]:
    return [each for kind in base.__subclasses__() for each in (kind, *_models(kind))]


def _has_secret(model: type[ResponseModel]) -> bool:
    return model.__module__.startswith("gateway.") and not all(field.repr for field in model.model_fields.values())

"""Secrets in keyed requests, and in the responses to them, which are stored only sealed."""

import json
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.identity.api_key import CreateApiKey, NewApiKeyView
from contracts.identity.login import LogIn
from contracts.identity.user import RegisterUser
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import API_KEY, TIME, USER
from contracts.wire import IDEMPOTENCY
from gateway.entry.idempotency.keys import KeyedRequest
from gateway.entry.idempotency.responses import Seals, StoredResponse
from gateway.schemas.base import ResponseModel, SecretResponse
from gateway.settings import Settings
from nats.js.api import RawStreamMsg
from onebox.keys import new_symmetric_keys
from onebox.testing.planted import searchable
from runtime.bus.jetstream import jetstream
from runtime.secrets.api_key import ApiKeyText
from runtime.secrets.key_ring import InvalidKeyRing, KeyRingFile
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness, running_gateway
from services.gateway.tests.test_idempotency import KEY, ids_of_messages, problem

BUCKET = f"KV_{IDEMPOTENCY}"
DIGEST = "digest of the content"
SECRET_KEY, NAME = "key-of-the-client-7f3a", "continuous integration"
REQUEST = KeyedRequest(UUID(int=1), "ada", True, "/api/v1/sessions", "key", "user")
RESPONSE = StoredResponse(status=201, headers=[], body=b"secret", variant="user", route="")
NEW_API_KEY: dict[str, Any] = {
    "id": API_KEY,
    "user_id": USER,
    "name": NAME,
    "scopes": ["read"],
    "created_at": TIME,
    "expires_at": None,
    "last_used_at": None,
    "key": "agk_0197a1f0000070008000000000000016_c2VjcmV0LW9mLWFuLUFQSS1rZXk",
}


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """The key ring of all gateways."""
    path = tmp_path / "replay.json"
    replace_keys(path)
    return path


@pytest.fixture
def settings(settings: Settings, ring: Path) -> Settings:
    return settings.model_copy(update={"replay_key_file": ring})


@pytest.fixture(autouse=True)
async def keys_of_clients(services: FakeServices) -> None:
    """Create an API key once; a repeated command is refused, as the identity service does."""

    def create(_: CreateApiKey) -> object:
        if len(services.of(CreateApiKey)) > 1:
            return Refused(code=Code.COMMAND_REPEATED, detail="Done already.")
        return NewApiKeyView.model_validate(NEW_API_KEY)

    await services.answer_with(CreateApiKey, create)


async def create(client: httpx.AsyncClient, *scopes: str) -> httpx.Response:
    body = {"name": NAME, "scopes": scopes or ["read"]}
    return await client.post("/api/v1/auth/api-keys", json=body, headers={"idempotency-key": SECRET_KEY})


async def test_a_response_with_a_secret_is_replayed(client: httpx.AsyncClient, services: FakeServices):
    first, again = await create(client), await create(client)
    assert (again.status_code, again.json()) == (201, first.json())
    assert (again.headers["idempotent-replayed"], again.headers["cache-control"]) == ("true", "no-store")
    assert len(services.of(CreateApiKey)) == 1


async def test_another_gateway_replays_it(client: httpx.AsyncClient, services: FakeServices, settings: Settings):
    first = await create(client)
    async with other_gateway(services, settings) as other:
        again = await create(other)
    assert (again.status_code, again.json()) == (201, first.json())


async def test_the_bus_shows_neither_the_secret_nor_the_key(client: httpx.AsyncClient, services: FakeServices):
    api_key = (await create(client)).json()["key"]
    on_bus = await stored(services)
    assert b"answered" in on_bus
    texts = (ApiKeyText.parse(api_key).secret, SECRET_KEY, NAME)
    assert [text for text in texts if searchable(text) in on_bus] == []


async def test_a_rotated_ring_opens_earlier_responses(client: httpx.AsyncClient, ring: Path):
    await create(client)
    add_key(ring)
    assert (await create(client)).headers["idempotent-replayed"] == "true"


async def test_a_secret_whose_key_was_lost_is_409(client: httpx.AsyncClient, ring: Path):
    await create(client)
    replace_keys(ring)
    assert problem(await create(client)) == (409, "COMMAND_REPEATED")


async def test_a_gateway_with_another_ring_keeps_the_response(
    client: httpx.AsyncClient, services: FakeServices, settings: Settings, tmp_path: Path
):
    await create(client)
    other_ring = tmp_path / "other.json"
    replace_keys(other_ring)
    async with other_gateway(services, settings.model_copy(update={"replay_key_file": other_ring})) as other:
        assert problem(await create(other)) == (409, "COMMAND_REPEATED")
    assert (await create(client)).headers["idempotent-replayed"] == "true"


async def test_without_a_ring_secrets_are_not_stored(services: FakeServices, settings: Settings):
    async with other_gateway(services, settings.model_copy(update={"replay_key_file": None})) as client:
        secret = (await create(client)).json()["key"]
        assert problem(await create(client)) == (409, "COMMAND_REPEATED")
    assert secret.encode() not in await stored(services)
    assert len({*ids_of_messages(services, CreateApiKey)}) == 1


@pytest.mark.parametrize("changed", [{"id": UUID(int=2)}, {"key": "another"}], ids=["user", "key"])
def test_a_response_cannot_be_opened_for_another_request(ring: Path, changed: dict[str, Any]):
    seals = Seals(KeyRingFile(ring, "REPLAY_KEY_FILE"))
    sealed = seals.seal(RESPONSE, REQUEST, DIGEST, secret=True)
    assert sealed
    assert seals.open(*sealed, replace(REQUEST, **changed), DIGEST) is None


def test_a_response_cannot_be_opened_for_other_content(ring: Path):
    seals = Seals(KeyRingFile(ring, "REPLAY_KEY_FILE"))
    sealed = seals.seal(RESPONSE, REQUEST, DIGEST, secret=True)
    assert sealed
    assert seals.open(*sealed, REQUEST, DIGEST) == RESPONSE
    assert seals.open(*sealed, REQUEST, "another digest") is None


async def test_a_record_with_another_digest_is_not_replayed(client: httpx.AsyncClient, services: FakeServices):
    await create(client, "read", "write")
    other = await take_last_record(services)
    await create(client, "read")
    record = await take_last_record(services)
    await store(services, record, b"%b\n%b" % (parts(other)[0], parts(record)[1]))
    assert problem(await create(client, "read", "write")) == (409, "COMMAND_REPEATED")


def test_a_response_that_is_not_sealed_is_not_opened_with_a_ring(ring: Path):
    forged = Seals(None).seal(RESPONSE, REQUEST, DIGEST, secret=False)
    assert forged
    assert Seals(KeyRingFile(ring, "REPLAY_KEY_FILE")).open(*forged, REQUEST, DIGEST) is None


@pytest.mark.parametrize("content", [b"", b"{}", zlib.compress(b"{}")], ids=["none", "text", "other"])
def test_content_that_is_no_response_is_not_opened(content: bytes):
    assert Seals(None).open(None, content, REQUEST, DIGEST) is None


async def test_a_response_that_an_earlier_release_stored_is_carried_out_again(
    services: FakeServices, settings: Settings
):
    async with other_gateway(services, settings.model_copy(update={"replay_key_file": None})) as client:
        await services.answer(RegisterUser, samples.user())
        assert (await register(client)).status_code == 201
        await eventually(lambda: is_answered(services))
        await store_as_earlier_release(services)
        again = await register(client)
    assert (again.status_code, "idempotent-replayed" in again.headers) == (201, False)


def test_an_unusable_ring_stops_the_start(settings: Settings, ring: Path):
    ring.write_text("{}")
    with pytest.raises(InvalidKeyRing, match="REPLAY_KEY_FILE"):
        settings.replay_ring()


async def test_passwords_are_not_stored(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(RegisterUser, samples.user())
    first, again = [await register(anonymous) for _ in range(2)]
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


async def test_a_login_of_a_client_with_a_token_is_not_stored(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogIn, samples.tokens())
    body = {"email": "ada@example.com", "password": "analytical engine"}
    for _ in range(2):
        response = await client.post("/api/v1/auth/login", json=body, headers=KEY)
        assert (response.status_code, response.headers.get("idempotent-replayed")) == (200, None)
    assert len({*ids_of_messages(services, LogIn)}) == 2


@asynccontextmanager
async def other_gateway(services: FakeServices, settings: Settings) -> AsyncGenerator[httpx.AsyncClient]:
    async with running_gateway(settings) as gateway:
        await eventually(lambda: gateway.revocations.known and gateway.keys.published is not None)
        async with Harness(gateway, services).client() as client:
            yield client


async def register(client: httpx.AsyncClient) -> httpx.Response:
    body = {"email": "ada@example.com", "username": "ada", "password": "plantedsecret-analytical engine"}
    return await client.post("/api/v1/auth/register", json=body, headers=KEY)


async def is_answered(services: FakeServices) -> bool:
    return b'"answered"' in await stored(services)


async def store_as_earlier_release(services: FakeServices) -> None:
    """Store the last record in the form of earlier releases: the response within the JSON."""
    response: dict[str, Any] = {"status": 204, "headers": [], "body": "", "variant": "", "route": ""}
    record = await take_last_record(services)
    head = json.loads(parts(record)[0])
    await store(services, record, json.dumps(head | {"response": response}).encode())


async def take_last_record(services: FakeServices) -> RawStreamMsg:
    """Remove the last record from the bucket, and return it."""
    js = jetstream(services.client)
    record = await js.get_msg(BUCKET, (await js.stream_info(BUCKET)).state.last_seq)
    await js.purge_stream(BUCKET)
    return record


async def store(services: FakeServices, record: RawStreamMsg, value: bytes) -> None:
    """Store a record again, with another value."""
    await jetstream(services.client).publish(record.subject or "", value)


def parts(record: RawStreamMsg) -> tuple[bytes, bytes]:
    """Return the head of a record, and its content."""
    head, _, content = (record.data or b"").partition(b"\n")
    return head, content


def add_key(ring: Path) -> None:
    new, old = json.loads(new_symmetric_keys()), json.loads(ring.read_text())
    ring.write_text(json.dumps({"keys": new["keys"] + old["keys"]}))


def replace_keys(ring: Path) -> None:
    ring.write_text(new_symmetric_keys())


async def stored(services: FakeServices) -> bytes:
    """Return everything that the bucket holds."""
    js = jetstream(services.client)
    state = (await js.stream_info(BUCKET)).state
    messages = [await js.get_msg(BUCKET, seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return b"".join(message.data or b"" for message in messages[-1:])


def test_responses_with_secrets_are_marked():
    secret = [model for model in _models(ResponseModel) if _has_secret(model)]
    assert len(secret) >= 5
    assert [model.__name__ for model in secret if not issubclass(model, SecretResponse)] == []


def _models(base: type[ResponseModel]) -> list[type[ResponseModel]]:
    return [each for kind in base.__subclasses__() for each in (kind, *_models(kind))]


def _has_secret(model: type[ResponseModel]) -> bool:
    return model.__module__.startswith("gateway.") and not all(field.repr for field in model.model_fields.values())

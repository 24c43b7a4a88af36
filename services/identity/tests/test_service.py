"""The identity service with real NATS and PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from contracts.identity.api_key import CreateApiKey, RevokeApiKey
from contracts.identity.login import GetKeys, LogIn, LogOut, TokensView
from contracts.identity.user import ChangeUser, GetUser, RegisterUser
from contracts.identity.values import Access
from contracts.messages import Actor, Command, Query
from contracts.wire import ACCESS_PREFIX, REVOCATIONS, REVOCATIONS_COMPLETE, event_stream
from eventing.database import Database
from eventing.testing import eventually
from identity.app import service
from identity.credentials.revocations import Revocations
from identity.operations import OPERATOR
from identity.settings import Settings
from nats.js.errors import BucketNotFoundError, NoKeysError
from runtime.bus import Bus, Client, Unavailable, connected, ordered
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import jetstream
from runtime.bus.key_value import Bucket
from runtime.clock import new_id

PASSWORD = "plantedsecret-analytical engine"


@dataclass
class Remote:
    """A client of the service over the bus."""

    client: Client

    async def ask[R](self, message: Command[R] | Query[R], actor: Actor | None = None) -> R:
        return await Bus(self.client, timeout=20).ask(message, Envelope.begin(actor=actor))

    async def answers(self) -> bool:
        with suppress(Unavailable):
            return bool(await self.ask(GetKeys()))
        return False

    async def entry(self, key: str) -> bytes:
        """Wait for an entry of the bucket of revocations, and return its value."""
        bucket = await Bucket.ensure(self.client, REVOCATIONS, seconds=3600)

        async def value() -> bytes | None:
            entry = await bucket.get(key)
            return entry and entry.value

        return await eventually(value)

    async def register(self, email: str = "ada@example.com", username: str = "ada") -> Actor:
        command = RegisterUser(user_id=new_id(), email=email, username=username, password=PASSWORD)
        return Actor(user_id=(await self.ask(command)).id, role="user")

    async def log_in(self, email: str = "ada@example.com", password: str = PASSWORD) -> TokensView:
        return await self.ask(LogIn(email=email, password=password))


type Start = Callable[..., Awaitable[Remote]]


@pytest.fixture
async def start(
    migrated_url: str, nats_url: str, key_ring_file: Path, tmp_path: Path, quick_passwords: None
) -> AsyncGenerator[Start]:
    """Start the service with the given settings, and wait until it answers."""
    stop = asyncio.Event()
    defaults = {"database_url": migrated_url, "nats_url": nats_url, "key_ring_file": key_ring_file}
    async with connected(nats_url, "test") as client, asyncio.TaskGroup() as running:

        async def start(**overrides: object) -> Remote:
            settings = {"first_admin_file": tmp_path / "admin.json", **defaults, **overrides}
            running.create_task(service.run(Settings.model_validate(settings), stop))
            remote = Remote(client)
            await eventually(remote.answers)
            return remote

        yield start
        stop.set()


@pytest.fixture
async def remote(start: Start) -> Remote:
    return await start()


async def test_a_registered_user_is_returned(remote: Remote) -> None:
    ada = await remote.register()
    user = await remote.ask(GetUser(user_id=ada.user_id))
    assert (user.email, user.username, user.role, user.is_active) == ("ada@example.com", "ada", "user", True)


async def test_a_logout_is_written_to_the_bucket_of_revocations(remote: Remote) -> None:
    ada = await remote.register()
    claims = jwt.decode((await remote.log_in()).access_token, options={"verify_signature": False})
    await remote.ask(LogOut(family_id=claims["sid"]), ada)
    assert await remote.entry(claims["sid"]) == b"logout"


async def test_a_revoked_api_key_is_written_to_the_bucket(remote: Remote) -> None:
    ada = await remote.register()
    created = await remote.ask(CreateApiKey(key_id=new_id(), user_id=ada.user_id, name="CI", scopes=["read"]), ada)
    await remote.ask(RevokeApiKey(key_id=created.id), ada)
    assert await remote.entry(str(created.id)) == b"api_key"


async def test_a_change_of_role_or_state_is_written_to_the_bucket(remote: Remote) -> None:
    ada, key = await remote.register(), f"{ACCESS_PREFIX}{{}}"
    for version, change in ((3, {"role": "viewer"}), (4, {"is_active": False}), (5, {"is_active": True})):
        await remote.ask(ChangeUser.model_validate({"user_id": ada.user_id, **change}), OPERATOR)

        async def is_published(version: int = version) -> bool:
            return Access.model_validate_json(await remote.entry(key.format(ada.user_id))).version == version

        await eventually(is_published)
    access = Access.model_validate_json(await remote.entry(key.format(ada.user_id)))
    assert (access.role, access.is_active) == ("viewer", True)


async def test_a_late_replica_does_not_replace_a_later_role(remote: Remote, migrated_url: str) -> None:
    ada = await remote.register()
    key = f"{ACCESS_PREFIX}{ada.user_id}"
    bucket = await Bucket.ensure(remote.client, REVOCATIONS, seconds=3600)
    later = Access(version=99, role="admin", is_active=True)
    await bucket.put(key, later.model_dump_json().encode())
    async with Database.open(migrated_url, "identity") as database:
        await Revocations(remote.client, database).publish_access(ada.user_id)
    assert Access.model_validate_json(await remote.entry(key)) == later


async def test_a_lost_bucket_of_revocations_is_filled_again(remote: Remote) -> None:
    ada = await remote.register()
    claims = jwt.decode((await remote.log_in()).access_token, options={"verify_signature": False})
    await remote.ask(LogOut(family_id=claims["sid"]), ada)
    await remote.ask(ChangeUser(user_id=ada.user_id, role="viewer"), OPERATOR)
    js = jetstream(remote.client)

    async def keys() -> list[str]:
        with suppress(BucketNotFoundError, NoKeysError):
            return await (await js.key_value(REVOCATIONS)).keys()  # pyright: ignore[reportUnknownMemberType]
        return []

    async def is_complete() -> bool:
        return {claims["sid"], f"{ACCESS_PREFIX}{ada.user_id}", REVOCATIONS_COMPLETE} <= {*await keys()}

    await eventually(is_complete)
    await js.delete_key_value(REVOCATIONS)
    await eventually(is_complete)
    await (await js.key_value(REVOCATIONS)).purge(REVOCATIONS_COMPLETE)  # pyright: ignore[reportUnknownMemberType]
    await eventually(is_complete)


async def test_published_events_contain_no_hashes(remote: Remote) -> None:
    await remote.register()
    await remote.log_in()
    js = jetstream(remote.client)
    seen = b""
    async with aclosing(ordered.messages(js, event_stream("identity"), 0)) as batches:
        while b"family_id" not in seen:
            seen += b"".join(message.data for message in await anext(batches))
    assert b"argon2" not in seen
    assert b"token_hash" not in seen


async def test_the_first_admin_is_created_and_written_to_a_file_once(start: Start, tmp_path: Path) -> None:
    remote = await start()
    credentials = json.loads((tmp_path / "admin.json").read_text())
    tokens = await remote.log_in(credentials["email"], credentials["password"])
    assert jwt.decode(tokens.access_token, options={"verify_signature": False})["role"] == "admin"
    assert (tmp_path / "admin.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "admin.json").unlink()
    await start()
    assert not (tmp_path / "admin.json").exists()


async def test_replicas_that_start_concurrently_write_one_valid_password(start: Start, tmp_path: Path) -> None:
    remote, *_ = await asyncio.gather(*(start() for _ in range(3)))
    credentials = json.loads((tmp_path / "admin.json").read_text())
    assert (await remote.log_in(credentials["email"], credentials["password"])).token_type == "bearer"


async def test_the_first_admin_can_be_configured(start: Start, tmp_path: Path) -> None:
    remote = await start(admin_email="Root@example.com", admin_password=PASSWORD)
    assert (await remote.log_in("root@example.com")).token_type == "bearer"
    assert not (tmp_path / "admin.json").exists()

"""The identity service admits programs to a real NATS server, and disconnects them."""

# nats-py does not annotate its options
# pyright: reportUnknownMemberType=false

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from contracts.identity.bus_user import CreateBusUser, NewBusUserView, ReplayBusUser, RevokeBusUser
from contracts.identity.login import GetKeys
from contracts.identity.user import ChangeUser, RegisterUser
from contracts.messages import Actor, Command, Query
from contracts.wire import public_subject
from eventing.testing import eventually
from identity.app import service
from identity.operations import OPERATOR
from identity.settings import Settings
from nats.aio.client import Client as NatsClient
from nats.errors import Error
from onebox.nats import EmbeddedNats
from onebox.testing.cases import every_case
from runtime.bus import Bus, Client, Unavailable, connected
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import jetstream
from runtime.clock import new_id, now

PASSWORD = "plantedsecret-analytical engine"
STRANGER = Actor.model_validate({"user_id": new_id(), "role": "user"})


@dataclass
class Remote:
    """A client of the service, and the operator of the bus."""

    client: Client
    server: str
    stack: AsyncExitStack

    async def ask[R](self, message: Command[R] | Query[R], actor: Actor | None = None) -> R:
        return await Bus(self.client, timeout=20).ask(message, Envelope.begin(actor=actor))

    async def answers(self) -> bool:
        with suppress(Unavailable):
            return bool(await self.ask(GetKeys()))
        return False

    async def register(self, name: str, role: str = "user") -> Actor:
        command = RegisterUser(user_id=new_id(), email=f"{name}@example.com", username=name, password=PASSWORD)
        id = (await self.ask(command)).id
        if role != "user":
            await self.change(id, role=role)
        return Actor.model_validate({"user_id": id, "role": role})

    async def change(self, id: object, **changes: Any) -> None:
        await self.ask(ChangeUser.model_validate({"user_id": id, **changes}), OPERATOR)

    async def create(self, owner: Actor, **fields: Any) -> NewBusUserView:
        body = {"bus_user_id": new_id(), "name": "billing", "types": ["*"], "all_users": False, **fields}
        return await self.ask(CreateBusUser.model_validate(body), owner)

    async def connect(self, user: NewBusUserView) -> "Program":
        program = Program(NatsClient(), user)
        self.stack.push_async_callback(program.client.close)
        await program.connect(self.server)
        return program

    async def refuses(self, user: NewBusUserView) -> bool:
        program = Program(NatsClient(), user)
        try:
            await program.connect(self.server)
        except (Error, OSError):
            return True
        finally:
            await program.client.close()
        return False

    async def publish(self, owner: Actor, text: str) -> None:
        subject = public_subject(str(owner.user_id), "session.created", str(new_id()))
        await jetstream(self.client).publish(subject, text.encode())


@dataclass
class Program:
    """A program of a bus user; `ended_at` is when the server has closed its connection."""

    client: NatsClient
    user: NewBusUserView
    ended_at: float | None = None

    async def connect(self, server: str) -> None:
        async def ended() -> None:
            self.ended_at = self.ended_at or time.monotonic()

        user = self.user
        options: dict[str, Any] = {"nkeys_seed_str": user.seed, "inbox_prefix": user.inbox_prefix}
        await self.client.connect(server, **options, connect_timeout=60, allow_reconnect=False, disconnected_cb=ended)

    async def events(self, last: str) -> list[str]:
        """Read all events up to the last one: those that must not come would come before it."""
        js = self.client.jetstream(domain=self.user.domain)
        subscription = await js.pull_subscribe_bind(self.user.consumer, self.user.stream)
        texts: list[str] = []
        pending = 0
        while pending or last not in texts:
            [message] = await subscription.fetch(1, timeout=60)
            await message.ack_sync()
            pending = message.metadata.num_pending
            texts.append(message.data.decode())
        return texts

    def has_ended(self) -> bool:
        return self.ended_at is not None


@pytest.fixture
async def remote(
    migrated_url: str, nats_server: EmbeddedNats, key_ring_file: Path, tmp_path: Path, quick_passwords: None
) -> AsyncGenerator[Remote]:
    stop = asyncio.Event()
    settings = {
        "database_url": migrated_url,
        "nats_url": nats_server.url_of("identity"),
        "key_ring_file": key_ring_file,
        "first_admin_file": tmp_path / "admin.json",
        "bus_issuer_seed": nats_server.issuer_seed(),
        "bus_url": nats_server.address(),
    }
    async with (
        connected(nats_server.url, "operator") as client,
        asyncio.TaskGroup() as running,
        AsyncExitStack() as stack,
    ):
        stack.callback(stop.set)
        running.create_task(service.run(Settings.model_validate(settings), stop))
        remote = Remote(client, nats_server.address(), stack)
        await eventually(remote.answers)
        yield remote


type Ending = Callable[[Remote, Actor, NewBusUserView], Awaitable[object]]


async def revoke(remote: Remote, owner: Actor, user: NewBusUserView) -> None:
    await remote.ask(RevokeBusUser(bus_user_id=user.id), owner)


async def disable(remote: Remote, owner: Actor, user: NewBusUserView) -> None:
    await remote.change(owner.user_id, is_active=False)


async def demote(remote: Remote, owner: Actor, user: NewBusUserView) -> None:
    await remote.change(owner.user_id, role="user")


OWN, ALL = ["before"], ["of a stranger", "before"]


@every_case("role, end, seen", [("user", revoke, OWN), ("user", disable, OWN), ("admin", demote, ALL)])
async def test_a_permission_that_ends_ends_the_connection(
    remote: Remote, role: str, end: Ending, seen: list[str]
) -> None:
    owner = await remote.register(f"ada-{end.__name__}", role)
    user = await remote.create(owner, all_users=role == "admin")
    first, second = await remote.connect(user), await remote.connect(user)
    await remote.publish(STRANGER, "of a stranger")
    await remote.publish(owner, "before")
    assert await first.events("before") == seen
    await end(remote, owner, user)
    await eventually(lambda: first.has_ended() and second.has_ended())
    assert await remote.refuses(user)


async def test_a_bus_user_keeps_its_own_events_when_its_owner_is_demoted(remote: Remote) -> None:
    owner = await remote.register("ada", "admin")
    program = await remote.connect(await remote.create(owner))
    every = await remote.connect(await remote.create(owner, all_users=True))
    await demote(remote, owner, program.user)
    await eventually(every.has_ended)
    await remote.publish(STRANGER, "of a stranger")
    await remote.publish(owner, "after")
    assert await program.events("after") == ["after"]


async def test_a_program_reads_again_from_a_time(remote: Remote) -> None:
    owner, since = await remote.register("ada"), now()
    program = await remote.connect(await remote.create(owner))
    await remote.publish(STRANGER, "of a stranger")
    await remote.publish(owner, "one")
    assert await program.events("one") == ["one"]
    await remote.ask(ReplayBusUser(bus_user_id=program.user.id, since=since), owner)
    await eventually(program.has_ended)
    assert await (await remote.connect(program.user)).events("one") == ["one"]

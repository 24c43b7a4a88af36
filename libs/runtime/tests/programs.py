"""Programs of users at a NATS server with the configuration of an installation."""

# nats-py does not annotate its options
# pyright: reportUnknownMemberType=false

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from contracts.wire import BUS_DOMAIN, PUBLIC_STREAM, public_filter, public_subject
from nats.aio.client import Client as NatsClient
from nats.errors import Error
from nats.js.errors import NotFoundError
from onebox.nats import EmbeddedNats
from runtime import clock
from runtime.bus import Client, connected
from runtime.bus.accounts import inbox_prefix
from runtime.bus.gatekeeper import Admission, Gatekeeper, Retention
from runtime.bus.jetstream import JetStream, jetstream
from runtime.bus.nkeys import USER, KeyPair
from runtime.bus.program_connections import ProgramConnections

ADA, BOB = str(clock.new_id()), str(clock.new_id())


def admission(owner: str | None) -> Admission:
    return Admission(clock.new_id().hex, (public_filter(owner),), clock.now() - timedelta(hours=1))


@dataclass
class Program:
    """A program with a key, and what happens to its connection."""

    key: KeyPair
    admission: Admission
    client: NatsClient = field(default_factory=NatsClient)
    happened: list[str] = field(default_factory=list[str])

    async def connect(self, url: str) -> None:
        async def note(error: Exception) -> None:
            self.happened.append(str(error).lower())

        async def closed() -> None:
            self.happened.append("disconnected")

        await self.client.connect(
            url,
            connect_timeout=60,
            nkeys_seed_str=self.key.seed,
            inbox_prefix=inbox_prefix(self.admission.consumer),
            allow_reconnect=False,
            error_cb=note,
            disconnected_cb=closed,
        )

    async def events(self, number: int = 1) -> list[str]:
        """Return the next events, of which there are so many, and no more."""
        js = self.client.jetstream(domain=BUS_DOMAIN)
        subscription = await js.pull_subscribe_bind(self.admission.consumer, PUBLIC_STREAM)
        messages = await subscription.fetch(number, timeout=60)
        assert messages[-1].metadata.num_pending == 0
        for message in messages:
            await message.ack_sync()
        return [message.data.decode() for message in messages]


@dataclass
class Desk:
    """A gatekeeper, and who is admitted."""

    gatekeeper: Gatekeeper
    connections: ProgramConnections
    client: Client
    url: str
    known: dict[str, Admission]
    stack: AsyncExitStack
    operator: JetStream

    @property
    def server(self) -> str:
        """The address of the server, without a user."""
        return self.url.rpartition("@")[2]

    async def program(self, owner: str | None) -> Program:
        program = Program(KeyPair.new(USER), admission(owner))
        self.known[program.key.public] = program.admission
        self.stack.push_async_callback(program.client.close)
        await program.connect(self.server)
        return program

    async def refused(self, program: Program) -> bool:
        """Return whether the server refuses another connection of a program."""
        another = replace(program, client=NatsClient())
        return await self.fails(another.client, another.connect(self.server))

    async def fails(self, client: NatsClient, connecting: Awaitable[object]) -> bool:
        """Return whether a connection is refused."""
        try:
            await connecting
        except (Error, OSError):
            return True
        finally:
            await client.close()
        return False

    def answers(self, found: list[Admission | None]) -> None:
        """Let the next questions have these answers."""
        answers = iter(found)

        async def find(_: str) -> Admission | None:
            return next(answers)

        self.gatekeeper._find = find  # pyright: ignore[reportPrivateUsage]

    async def has_consumer(self, admission: Admission) -> bool:
        """Return whether there is a consumer that begins when a program may."""
        try:
            info = await self.operator.consumer_info(PUBLIC_STREAM, admission.consumer)
        except NotFoundError:
            return False
        return info.config.opt_start_time == admission.since

    async def publish(self, owner: str, text: str) -> None:
        await jetstream(self.client).publish(public_subject(owner, "session.created", "x"), text.encode())


@asynccontextmanager
async def opened_desk(installed_nats: EmbeddedNats) -> AsyncGenerator[Desk]:
    known = dict[str, Admission]()

    async def find(public: str) -> Admission | None:
        return known.get(public)

    issuer = KeyPair.of_seed(installed_nats.issuer_seed())
    async with (
        connected(installed_nats.url_of("identity"), "identity") as identity,
        connected(installed_nats.url_of("webhook"), "webhook") as webhook,
        connected(installed_nats.url, "operator") as operator,
        asyncio.TaskGroup() as tasks,
        AsyncExitStack() as stack,
    ):
        gatekeeper = Gatekeeper(identity, issuer, find, Retention(3600, 2**24))
        await gatekeeper.ensure_stream()
        await jetstream(operator).purge_stream(PUBLIC_STREAM)  # tests share the server
        serving = tasks.create_task(gatekeeper.serve())
        await identity.flush()
        stack.callback(serving.cancel)
        yield Desk(
            gatekeeper, ProgramConnections(identity), webhook, installed_nats.url, known, stack, jetstream(operator)
        )

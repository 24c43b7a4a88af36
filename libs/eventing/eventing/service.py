"""A service out of its rooms: connects, migrates, and runs subscribers, relay and reactions until told to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from contracts.messages import Event
from contracts.refusals import Refusal
from contracts.wire import DEAD_LETTER_SUBJECTS, DEAD_LETTERS, event_filter, event_stream
from pydantic import Field
from runtime import bus, health
from runtime.bus import Client
from runtime.bus_start import wait_for_bus
from runtime.forever import forever
from runtime.jetstream import JetStream, jetstream
from runtime.logging import get_logger
from runtime.process import ProcessSettings
from runtime.starting import check_port

from eventing import subscribers
from eventing.database import Database
from eventing.database_start import database_ready
from eventing.dispatch import Dispatcher
from eventing.due import DueKind
from eventing.due_times import DueTimes
from eventing.handling import Handlers
from eventing.leases import Leases
from eventing.migrating import migrate
from eventing.postgres import PostgresStore, Projection
from eventing.projector import Projector
from eventing.projectors import Projectors
from eventing.reactions import Reactions, Reactor
from eventing.relay import Relay
from eventing.store import AnyAggregate
from eventing.streams import (
    MAX_STREAM_BYTES,
    MIN_STREAM_BYTES,
    check_size,
    provision,
    provision_work,
)

log = get_logger()

type Task = Callable[[], Coroutine[Any, Any, None]]

DRAIN_TIMEOUT = 10.0


class ServiceSettings(ProcessSettings):
    """What every service must be told: where its database and the bus are. `ops_port` is for probes and scrapers.

    `stream_max_bytes` is how much of its events stays on the bus, for streams to resume from; `stream_replicas` on how
    many servers of a NATS cluster a new stream is kept.
    """

    database_url: str
    nats_url: str
    ops_host: str = "127.0.0.1"
    ops_port: int = 0
    stream_max_bytes: int = Field(default=MAX_STREAM_BYTES, ge=MIN_STREAM_BYTES)
    stream_replicas: int = Field(default=1, ge=1, le=5)


@dataclass(frozen=True)
class Service[S: ServiceSettings, T]:
    """What is different from service to service.

    `project` writes the read models of its own events, in the transaction that stores them; `projectors` keep those of
    other services' events.
    """

    name: str
    aggregates: list[type[AnyAggregate]]
    commands: Handlers
    queries: Handlers
    project: Projection
    migrations: Path
    dependencies: Callable[[S, Database, Client], AbstractAsyncContextManager[T]]
    reactions: Reactions = field(default_factory=Reactions)
    projectors: list[Projector] = field(default_factory=list[Projector])
    due: Sequence[DueKind] = ()
    unique_violations: dict[str, Refusal] = field(default_factory=dict[str, Refusal])
    started: Callable[[S, Dispatcher[T]], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        """Make sure that each name stands for one thing.

        Raises:
            ValueError: two projectors, or one and a reaction, have the same name: they would share dead letters.
        """
        names = [*self.reactions.by_name, *(projector.name for projector in self.projectors)]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two reactions or projectors of {self.name} have one name: {sorted(doubled)}")

    @property
    def events(self) -> dict[str, type[Event]]:
        """All that the service records, by subject."""
        return {subject: event for kind in self.aggregates for subject, event in kind.events.items()}

    async def run(self, settings: S, stop: asyncio.Event) -> None:
        """Serve until `stop`; then take nothing new, finish what is under way (10 s), and leave.

        Raises:
            CannotStart: the database, the bus or the port cannot be used.
            Stopped: `stop` was set while it waited for them.
        """
        check_port(settings.ops_host, settings.ops_port, "OPS_PORT")
        wait = settings.dependency_wait_seconds
        await database_ready(settings.database_url, self.name, within=wait, stop=stop)
        await wait_for_bus(settings.nats_url, within=wait, stop=stop)
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(Database.open(settings.database_url, self.name))
            applied = await migrate(database, self.migrations)
            client = await stack.enter_async_context(bus.connected(settings.nats_url, self.name))
            check_size(client)
            js = jetstream(client)
            await self._provision(js, settings)
            dependencies = await stack.enter_async_context(self.dependencies(settings, database, client))
            store = PostgresStore(database, self.events, self.project)
            dispatcher = Dispatcher(store, database, dependencies, self.commands, self.queries, self.unique_violations)
            if self.started:
                await self.started(settings, dispatcher)
            # With connections of their own: whoever uses up the others must not make workers look dead.
            leases = Leases(await stack.enter_async_context(Database.open(settings.database_url, self.name, size=2)))
            relay = self._relay(store, js, settings)
            reactor = Reactor(self.name, client, dispatcher, leases)
            due_times, projectors = DueTimes(self.due, dispatcher), Projectors(self.projectors, database, js)
            checks = health.Health({"database": database.check, "bus": bus.Bus(client).check})
            checks.checks |= {"relay": relay.progress.check, "reactions": reactor.failures.check}
            checks.checks |= {"due_times": due_times.failures.check, "projectors": projectors.check}
            ops = health.serving(health.app(checks), settings.ops_host, settings.ops_port)
            await stack.enter_async_context(ops)
            await stack.enter_async_context(subscribers.answering(settings.nats_url, self.name, dispatcher))
            log.info("ready", migrations=applied)
            endless = {"relay": relay.run, "leases": leases.renew, "snapshots": store.loader.take_snapshots}
            always: list[Task] = [partial(forever, name, work) for name, work in endless.items()]
            always += [partial(bus.wait_until_closed, client), projectors.run, *self._hearing(reactor)]
            await _work(always, self._taking(reactor, due_times, stop), stop)

    def _relay(self, store: PostgresStore, js: JetStream, settings: S) -> Relay:
        work, largest = self.reactions.work_of(self.name), settings.stream_max_bytes
        return Relay(store, js, self.name, work=work, largest=largest, replicas=settings.stream_replicas)

    def _hearing(self, reactor: Reactor[T]) -> list[Task]:
        """Return what runs until the service ends: one task for each broadcast reaction."""
        return [partial(forever, r.name, partial(reactor.hear, r)) for r in self.reactions.delivered("broadcast")]

    def _taking(self, reactor: Reactor[T], due_times: DueTimes[T], stop: asyncio.Event) -> list[Task]:
        """Return what ends by itself when the service is to stop, having finished the work in progress."""
        shared: list[Task] = [partial(reactor.work, r, stop) for r in self.reactions.delivered("shared")]
        return [*shared, partial(due_times.work, stop)] if self.due else shared

    async def _provision(self, js: JetStream, settings: S) -> None:
        largest, replicas = settings.stream_max_bytes, settings.stream_replicas
        await provision(js, event_stream(self.name), [event_filter(self.name)], largest, replicas=replicas)
        await provision(js, DEAD_LETTERS, [DEAD_LETTER_SUBJECTS], replicas=replicas)
        if self.reactions.work_of(self.name):
            await provision_work(js, self.name, replicas=replicas)


async def _work(always: list[Task], until_stopped: list[Task], stop: asyncio.Event) -> None:
    """Run all until `stop` is set; then wait for those that end by themselves (10 s), and cancel the others."""
    async with asyncio.TaskGroup() as tasks:
        endless = [tasks.create_task(task()) for task in always]
        drained = [tasks.create_task(task()) for task in until_stopped]
        await stop.wait()
        log.info("draining")
        if drained:
            await asyncio.wait(drained, timeout=DRAIN_TIMEOUT)
        await _end({*drained, *endless})


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    while tasks:  # nats-py swallows a cancellation now and then
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=1)

"""Assembles and runs a service: connects, migrates, and runs subscribers, relay and reactions until stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from contracts.messages import Event
from contracts.refusals import Refusal
from contracts.wire import DEAD_LETTER_SUBJECTS, DEAD_LETTERS, event_filter, event_stream
from pydantic import Field
from runtime import bus
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream, jetstream
from runtime.bus.start import wait_for_bus
from runtime.forever import forever
from runtime.http import health
from runtime.logging import get_logger
from runtime.metrics import Measure, Scrapes, Values
from runtime.process import OpsSettings
from runtime.starting import check_port

from eventing.bus.streams import MAX_STREAM_BYTES, MIN_STREAM_BYTES, check_size, provision, provision_work, provisioning
from eventing.constraints import Constraints
from eventing.database import Database
from eventing.database.start import database_ready, retry_at_start
from eventing.database.writing import WriteCheck
from eventing.draining import Task, work
from eventing.due import DueKind
from eventing.due_times import DueTimes
from eventing.handling import Handlers, subscribers
from eventing.handling.dispatch import Dispatcher
from eventing.handling.operations import operations
from eventing.leases import Leases
from eventing.measuring import measure_connections, measure_projectors, measure_reactions, measure_streams
from eventing.migrating import migrate_as_owner, migrations_of
from eventing.privileges import check_role
from eventing.projectors import Projectors
from eventing.projectors.followers import projected_by_all
from eventing.projectors.projector import Projector
from eventing.reactions import Reactions, Reactor
from eventing.reactions.local import LocalReactions
from eventing.reactions.replays import Replays
from eventing.rebuilding import ReadModels
from eventing.relay import Relay
from eventing.secrets.earlier_secrets import EarlierSecrets
from eventing.secrets.key_ring import SecretsSettings
from eventing.secrets.sealed_values import Secrets
from eventing.store import AnyAggregate
from eventing.store.erasure import Erasure
from eventing.store.postgres import PostgresStore, Projection

log = get_logger()


class ServiceSettings(OpsSettings):
    """The settings of every service.

    `migration_database_url` is the same database, with the role that owns the tables, to apply migrations at start. It
    is not needed if they have been applied (`python -m <package> migrate`), or if `database_url` has that role.

    `stream_max_bytes` limits the events that stay on the bus, for clients to resume from. `stream_replicas` is the
    number of servers of a NATS cluster that store a new stream. A service that stops finishes its work in progress for
    up to `drain_seconds`.
    """

    database_url: str = Field(repr=False)
    migration_database_url: str | None = Field(default=None, repr=False)
    nats_url: str = Field(repr=False)
    stream_max_bytes: int = Field(default=MAX_STREAM_BYTES, ge=MIN_STREAM_BYTES)
    stream_replicas: int = Field(default=1, ge=1, le=5)
    drain_seconds: float = Field(default=10.0, ge=0, le=3600)


class SecretServiceSettings(ServiceSettings, SecretsSettings):
    """The settings of a service that stores secrets."""


@dataclass(frozen=True)
class Service[S: ServiceSettings, T]:
    """The definition of a service.

    `constraints` check its own events, and `project` writes their read models, in the transaction that stores them.
    `projectors` write those of other services' events. `followers` are the services that project this one's events,
    which are erased only after that. `dependencies` opens what handlers and reactions need; `checks` are those of its
    own for readiness, and `measure` measures its own metrics for a scrape. `started` is called before the service
    accepts messages, `received` with the envelope of each, and `stopping` when it begins to stop, with the seconds that
    remain. `secrets` are the tables of secret values. `read_models` are those that can be rebuilt. `package` has the
    migrations; without it, the package with the name of the service has them.
    """

    name: str
    aggregates: list[type[AnyAggregate]]
    commands: Handlers
    queries: Handlers
    project: Projection
    dependencies: Callable[[S, Database, Client], AbstractAsyncContextManager[T]]
    constraints: Constraints = field(default_factory=Constraints)
    reactions: Reactions = field(default_factory=Reactions)
    projectors: list[Projector] = field(default_factory=list[Projector])
    followers: Sequence[str] = ()
    due: Sequence[DueKind] = ()
    secrets: Sequence[Secrets] = ()
    read_models: ReadModels = field(default_factory=ReadModels)
    package: str | None = None
    unique_violations: dict[str, Refusal] = field(default_factory=dict[str, Refusal])
    started: Callable[[S, Dispatcher[T]], Awaitable[None]] | None = None
    received: Callable[[T, Envelope], None] | None = None
    stopping: Callable[[T, float], None] | None = None
    checks: Callable[[T], dict[str, health.Check]] | None = None
    measure: Callable[[T, Database], Awaitable[Values]] | None = None

    def __post_init__(self) -> None:
        """Check that names are unique, and that constraints, persistent and local reactions are about own events.

        Raises:
            ValueError: two projectors, or one and a reaction, have the same name: they would share dead letters. Or a
                reaction is persistent or local, and reacts to an event that another service stores, or a constraint
                checks one.
        """
        own = [one for one in self.reactions.by_name.values() if one.after or one.delivery == "local"]
        if foreign := [one.name for one in own if one.event.subject not in self.events]:
            raise ValueError(f"persistent or local reactions of {self.name} to events of other services: {foreign}")
        if strange := [kind.__name__ for kind in self.constraints.by_event if kind.subject not in self.events]:
            raise ValueError(f"constraints of {self.name} check events of other services: {strange}")
        names = [*self.reactions.by_name, *(projector.name for projector in self.projectors)]
        if duplicates := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two reactions or projectors of {self.name} have the same name: {sorted(duplicates)}")

    @property
    def events(self) -> dict[str, type[Event]]:
        """All events that the service records, by subject."""
        return {subject: event for kind in self.aggregates for subject, event in kind.events.items()}

    @property
    def migrations(self) -> Path:
        """The folder of the service's migrations."""
        return migrations_of(self.package or self.name)

    def store(self, database: Database) -> PostgresStore:
        """Return the store of the service's events in a database."""
        return PostgresStore(database, self.events, self.project, self.constraints)

    async def run(self, settings: S, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then start nothing new and finish the work in progress for `drain_seconds`.

        Raises:
            CannotStart: the database, the bus or the port cannot be used.
            Stopped: `stop` was set while waiting for them.
        """
        check_port(settings.ops_host, settings.ops_port, "OPS_PORT")
        url, owner, wait = settings.database_url, settings.migration_database_url, settings.dependency_wait_seconds
        await database_ready(url, owner, self.name, within=wait, stop=stop)
        await wait_for_bus(settings.nats_url, self.name, within=wait, stop=stop)
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(self._database(settings))
            applied = await retry_at_start(partial(self._prepare, database, owner), url, owner, within=wait, stop=stop)
            client = await stack.enter_async_context(bus.connected(settings.nats_url, self.name))
            js = jetstream(client)
            await self._provision(client, js, settings)
            dependencies = await stack.enter_async_context(self.dependencies(settings, database, client))
            store = self.store(database)
            dispatcher = self._dispatcher(store, dependencies)
            if self.started:
                await self.started(settings, dispatcher)
            # With a pool of its own: leases have to be renewed even while the service uses up the other connections.
            leases = Leases(await stack.enter_async_context(Database.open(url, self.name, size=2)))
            relay = self._relay(store, js, settings)
            due_times = DueTimes(self.due, dispatcher, store.due_now)
            projectors = await self._projectors(stack, settings, js)
            reactor = Reactor(self.name, client, dispatcher, leases, due_times.caught_up)
            checks = self._health(dispatcher, client, relay, reactor, due_times, projectors)
            own = operations(self.name, store, checks, self.projectors)
            await stack.enter_async_context(subscribers.answering(settings.nats_url, self.name, dispatcher, own))
            measures = [checks.measure, *self._measures(js, dependencies, database, leases, projectors)]
            probes = health.app(checks, Scrapes(self.name, "eventing", measures=measures).exposition)
            ops = await stack.enter_async_context(health.serving(probes, settings.ops_host, settings.ops_port))
            await database.pool.expire_connections()  # what the start needed once, the server would keep in memory
            log.info("ready", migrations=applied, ops_port=ops.address[1])
            always = self._endless_tasks(store, relay, reactor, js, settings)
            always += [partial(bus.wait_until_closed, client), projectors.run, *self._unshared_tasks(store, reactor)]
            draining = self._draining_tasks(reactor, due_times, stop)
            await work(always, draining, stop, settings.drain_seconds, partial(self._stop, dependencies))

    def _dispatcher(self, store: PostgresStore, dependencies: T) -> Dispatcher[T]:
        handlers = self.commands, self.queries, self.unique_violations
        received = self.received and partial(self.received, dependencies)
        return Dispatcher(store, store.database, dependencies, *handlers, received=received)

    def _stop(self, dependencies: T, seconds: float) -> None:
        if self.stopping:
            self.stopping(dependencies, seconds)

    def _database(self, settings: S) -> AbstractAsyncContextManager[Database]:
        ring = settings.key_ring() if isinstance(settings, SecretsSettings) else None
        return Database.open(settings.database_url, self.name, ring=ring)

    async def _prepare(self, database: Database, owner_url: str | None) -> list[str]:
        applied = await migrate_as_owner(database, self.migrations, owner_url)
        await check_role(database)
        await database.data_keys.check(database)
        return applied

    async def _projectors(self, stack: AsyncExitStack, settings: S, js: JetStream) -> Projectors:
        # With a pool of their own: a flood of another service's events must not use up the connections of requests.
        size = max(1, len(self.projectors))
        database = await stack.enter_async_context(Database.open(settings.database_url, self.name, size=size))
        return Projectors(self.projectors, database, js)

    def _health(
        self,
        dispatcher: Dispatcher[T],
        client: Client,
        relay: Relay,
        reactor: Reactor[T],
        due_times: DueTimes[T],
        projectors: Projectors,
    ) -> health.Health:
        database = dispatcher.database
        checks = health.Health({"database": WriteCheck(database).check, "bus": bus.Bus(client).check})
        checks.checks |= {"clock": database.clock.check, "relay": relay.progress.check}
        checks.checks |= {"reactions": reactor.failures.check, "due_times": due_times.failures.check}
        checks.checks |= {"projectors": projectors.check}
        checks.checks |= self.checks(dispatcher.dependencies) if self.checks else {}
        return checks

    def _measures(
        self, js: JetStream, dependencies: T, database: Database, leases: Leases, projectors: Projectors
    ) -> list[Measure]:
        pools = {"requests": database, "leases": leases.database, "projectors": projectors.database}
        return [
            partial(measure_streams, js, self.name),
            partial(measure_reactions, js, self.name, self.reactions.delivered("shared")),
            partial(measure_projectors, js, projectors.database, self.projectors),
            partial(measure_connections, pools),
            *([partial(self.measure, dependencies, database)] if self.measure else []),
        ]

    def _relay(self, store: PostgresStore, js: JetStream, settings: S) -> Relay:
        work, max_bytes = self.reactions.work_of(self.name), settings.stream_max_bytes
        return Relay(store, js, self.name, work=work, max_bytes=max_bytes, replicas=settings.stream_replicas)

    def _endless_tasks(
        self, store: PostgresStore, relay: Relay, reactor: Reactor[T], js: JetStream, settings: S
    ) -> list[Task]:
        """Return the tasks that are repeated until they are cancelled."""
        endless = {"relay": relay.run, "leases": reactor.leases.renew, "snapshots": store.loader.write_snapshots}
        projected = partial(projected_by_all, js, self.name, self.followers)
        endless["erasure"] = Erasure(store.database, js, self.name, projected).run
        endless["dead letters"] = Replays(reactor, self.reactions).run
        if isinstance(settings, SecretsSettings):
            endless["secrets"] = EarlierSecrets(store, self.aggregates, self.secrets).run
        return [partial(forever, name, work) for name, work in endless.items()]

    def _unshared_tasks(self, store: PostgresStore, reactor: Reactor[T]) -> list[Task]:
        """Return a task for each broadcast reaction, and one for the local ones; they run until they are cancelled."""
        local = LocalReactions(self.reactions.delivered("local"), reactor.dispatcher.dependencies, reactor.act)
        store.on_stored = local.take
        broadcast = {r.name: partial(reactor.follow, r) for r in self.reactions.delivered("broadcast")}
        return [partial(forever, name, work) for name, work in {"local reactions": local.run, **broadcast}.items()]

    def _draining_tasks(self, reactor: Reactor[T], due_times: DueTimes[T], stop: asyncio.Event) -> list[Task]:
        """Return the tasks that finish their work in progress and end when `stop` is set."""
        shared: list[Task] = [partial(reactor.work, r, stop) for r in self.reactions.delivered("shared")]
        return [*shared, partial(due_times.work, stop)] if self.due else shared

    async def _provision(self, client: bus.Client, js: JetStream, settings: S) -> None:
        check_size(client)
        max_bytes, replicas = settings.stream_max_bytes, settings.stream_replicas
        with provisioning(client):
            await provision(js, event_stream(self.name), [event_filter(self.name)], max_bytes, replicas=replicas)
            await provision(js, DEAD_LETTERS, [DEAD_LETTER_SUBJECTS], replicas=replicas)
            if self.reactions.work_of(self.name):
                await provision_work(js, self.name, replicas=replicas)

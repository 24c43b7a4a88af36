"""Jobs are done once, whatever happens to workers, end with a command, and are discarded when no longer wanted."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from eventing import leases as leases_module
from eventing import reactions as reactions_module
from eventing.database import Database
from eventing.handling.dispatch import Dispatcher
from eventing.leases import UnfinishedWork
from eventing.reactions import Reactions, Reactor
from eventing.reactions.jobs import GAVE_UP_DETAIL, Job, JobFailed, job
from eventing.store.postgres import PostgresStore
from eventing.testing import background, eventually
from eventing.testing.jars import answers, handles
from eventing.testing.messages import AddMarble, JarOpened, OpenJar
from nats.js import JetStreamContext
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

pytestmark = pytest.mark.usefixtures("fast_reactions", "fast_leases")

EMPTY = "SELECT id AS aggregate, id AS work FROM jars WHERE marbles = 0"


class Script:
    """What workers do between the two steps of a job, and which jobs they started and discarded."""

    def __init__(self) -> None:
        self.meanwhile: list[Callable[[UUID], Awaitable[object]]] = []
        self.started, self.discarded = list[UUID](), list[UUID]()

    async def step(self, jar_id: UUID) -> None:
        """Record that a job has started, and run the next function of the script."""
        self.started.append(jar_id)
        if self.meanwhile:
            await self.meanwhile.pop(0)(jar_id)


reactions = Reactions()


@job(reactions, "fill")
class FillJar(Job[Script, JarOpened]):
    """Adds a marble to a jar: a blue one on success, otherwise one whose colour is the failure."""

    unfinished: ClassVar = UnfinishedWork(EMPTY, lambda recorded: recorded.id)
    give_up_code: ClassVar = Code.STORAGE_FAILED

    async def work(self) -> None:
        await self.dependencies.step(self.recorded.id)
        await self.check_wanted()
        await self.reaction.send(AddMarble(jar_id=self.recorded.id, colour="blue"))

    async def fail(self, failure: JobFailed) -> None:
        colour = f"{failure.code}: {failure.detail}"
        await self.reaction.send(AddMarble(jar_id=self.recorded.id, colour=colour))

    async def discard(self) -> None:
        self.dependencies.discarded.append(self.recorded.id)


class Shelf:
    """Replicas of a service of jars with one job."""

    def __init__(self, database: Database, store: PostgresStore) -> None:
        self.database, self.store, self.script = database, store, Script()

    def replica(self, client: Client) -> Reactor[Script]:
        dispatcher = Dispatcher(self.store, self.database, self.script, handles, answers)
        return Reactor("jar", client, dispatcher)

    def working(self, *clients: Client) -> Any:
        never, [fill] = asyncio.Event(), reactions.delivered("shared")
        replicas = [self.replica(client) for client in clients]
        renewing = [replica.leases.renew() for replica in replicas]
        return background(*(replica.work(fill, never) for replica in replicas), *renewing)

    async def open_jar(self, client: Client) -> UUID:
        jar_id = new_id()
        await self.replica(client).dispatcher.send(OpenJar(jar_id=jar_id, label=str(jar_id)), Envelope.begin())
        return jar_id

    async def colours(self) -> list[str]:
        fed = await self.store.feed((0, 0), 1000)
        return [entry.recorded.event.colour for entry in fed if not isinstance(entry.recorded.event, JarOpened)]

    async def delete(self, jar_id: UUID) -> None:
        await self.database.execute("DELETE FROM jars WHERE id = $1", jar_id)

    async def add(self, jar_id: UUID) -> None:
        dispatcher = Dispatcher(self.store, self.database, self.script, handles, answers)
        await dispatcher.send(AddMarble(jar_id=jar_id, colour="added meanwhile"), Envelope.begin())


@pytest.fixture
def shelf(database: Database, postgres_store: PostgresStore, js: JetStreamContext) -> Shelf:
    return Shelf(database, postgres_store)


async def fail_for_now(jar_id: UUID) -> None:
    raise OSError("try again later")


async def fail_for_good(_: UUID) -> None:
    raise JobFailed(Code.WORKSPACE_FULL, "too much")


async def wait_forever(_: UUID) -> None:
    await asyncio.Event().wait()


async def test_a_job_is_done_once_by_two_replicas(shelf: Shelf, client: Client, other_client: Client) -> None:
    jars = [await shelf.open_jar(client) for _ in range(10)]
    async with shelf.working(client, other_client):
        await eventually(lambda: _done(shelf, len(jars)))
    assert sorted(shelf.script.started) == sorted(jars)


async def _done(shelf: Shelf, jobs: int = 1) -> bool:
    return len(await shelf.colours()) == jobs


async def test_a_job_whose_worker_was_killed_is_done_by_another(
    shelf: Shelf, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelf.open_jar(client)
    [opened] = [fed.recorded for fed in await shelf.store.feed((0, 0), 1)]
    with monkeypatch.context() as dying:
        dying.setattr(leases_module, "LEASE_DURATION", timedelta(seconds=0.3))
        assert await shelf.replica(client).leases.acquire("fill", FillJar.unfinished, opened)  # and never renewed
    async with shelf.working(client):
        await eventually(lambda: _done(shelf))
    assert await shelf.colours() == ["blue"]


async def test_a_job_that_fails_temporarily_is_retried(shelf: Shelf, client: Client) -> None:
    shelf.script.meanwhile = [fail_for_now, fail_for_now]
    await shelf.open_jar(client)
    async with shelf.working(client):
        await eventually(lambda: _done(shelf))
    assert (len(shelf.script.started), await shelf.colours()) == (3, ["blue"])


async def test_a_job_that_cannot_succeed_fails_without_a_retry(shelf: Shelf, client: Client) -> None:
    shelf.script.meanwhile = [fail_for_good]
    await shelf.open_jar(client)
    async with shelf.working(client):
        await eventually(lambda: _done(shelf))
    assert (len(shelf.script.started), await shelf.colours()) == (1, ["WORKSPACE_FULL: too much"])


def delay_as_in_production(attempts: int) -> float:
    """Return a long delay after the last attempt, during which the job is given up, and short ones before."""
    return 60.0 if attempts >= reactions_module.MAX_DELIVERIES else 0.01


async def test_a_job_that_fails_at_every_attempt_is_given_up(
    shelf: Shelf, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions_module, "_delay", delay_as_in_production)
    shelf.script.meanwhile = [fail_for_now] * 100
    await shelf.open_jar(client)
    async with shelf.working(client):
        await eventually(lambda: _done(shelf))
    assert len(shelf.script.started) == reactions_module.MAX_DELIVERIES
    assert await shelf.colours() == [f"STORAGE_FAILED: {GAVE_UP_DETAIL}"]


async def test_a_job_deleted_while_it_runs_is_discarded(shelf: Shelf, client: Client) -> None:
    shelf.script.meanwhile = [shelf.delete]
    jar_id = await shelf.open_jar(client)
    async with shelf.working(client):
        await eventually(lambda: shelf.script.discarded)
    assert (shelf.script.discarded, await shelf.colours()) == ([jar_id], [])


async def test_a_job_that_another_worker_ended_is_not_ended_again(shelf: Shelf, client: Client) -> None:
    shelf.script.meanwhile = [shelf.add]
    await shelf.open_jar(client)
    async with shelf.working(client):
        await eventually(lambda: shelf.script.discarded)
    assert await shelf.colours() == ["added meanwhile"]


async def test_a_refused_job_that_is_no_longer_wanted_is_discarded(shelf: Shelf, client: Client) -> None:
    async def delete_and_refuse(jar_id: UUID) -> None:
        await shelf.delete(jar_id)
        raise Refusal(Code.SESSION_NOT_FOUND, "There is no such jar.")

    shelf.script.meanwhile = [delete_and_refuse]
    await shelf.open_jar(client)
    async with shelf.working(client):
        await eventually(lambda: shelf.script.discarded)
    assert len(shelf.script.started) == 1


async def test_a_refused_job_that_is_still_wanted_is_retried(shelf: Shelf, client: Client) -> None:
    async def refuse(_: UUID) -> None:
        raise Refusal(Code.SESSION_BUSY, "Not now.")

    shelf.script.meanwhile = [refuse]
    await shelf.open_jar(client)
    async with shelf.working(client):
        await eventually(lambda: _done(shelf))
    assert (len(shelf.script.started), shelf.script.discarded) == (2, [])


async def test_a_failing_job_that_is_no_longer_wanted_is_discarded(shelf: Shelf, client: Client) -> None:
    async def delete_and_fail(jar_id: UUID) -> None:
        await shelf.delete(jar_id)
        raise OSError("try again later")

    shelf.script.meanwhile = [*[fail_for_now] * (reactions_module.MAX_DELIVERIES - 1), delete_and_fail]
    await shelf.open_jar(client)
    async with shelf.working(client):
        await eventually(lambda: shelf.script.discarded)
    assert await shelf.colours() == []


async def test_a_worker_that_shuts_down_releases_its_job(
    shelf: Shelf, client: Client, other_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "LEASE_DURATION", timedelta(hours=1))
    shelf.script.meanwhile = [wait_forever]
    await shelf.open_jar(client)
    async with shelf.working(client):
        await eventually(lambda: shelf.script.started)
    async with shelf.working(other_client):
        await eventually(lambda: _done(shelf))


async def test_a_job_has_the_concurrency_it_was_registered_with() -> None:
    small = Reactions()
    job(small, "fill", concurrency=2)(FillJar)
    [fill] = small.delivered("shared")
    assert (fill.event, fill.slots(None)) == (JarOpened, 2)

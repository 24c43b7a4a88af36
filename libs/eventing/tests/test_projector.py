"""A projector writes the events of another service to a read model: in order, each once, whatever happens."""

import asyncio

import pytest
from eventing.database import Connection, Database
from eventing.recording import Recorded
from eventing.testing import background, eventually
from eventing.testing.deliveries import RestartBus
from eventing.testing.label_model import LabelModel, insert_label, label_projector
from eventing.testing.messages import JarOpened, MarbleAdded
from eventing.testing.publishing import publish
from runtime.bus.jetstream import JetStream

pytestmark = pytest.mark.usefixtures("fast_ordered_reads")


class Interrupted:
    """A projection that stops inside its transaction, or fails there, at the event with the label `at`."""

    def __init__(self, at: str, *, fails: bool = False) -> None:
        self.at, self.reached, self.fails = at, asyncio.Event(), fails

    async def __call__(self, recorded: Recorded[JarOpened], db: Connection) -> None:
        await insert_label(recorded, db)
        if recorded.event.label == self.at:
            self.reached.set()
            if self.fails:
                raise LookupError
            await asyncio.Event().wait()


async def test_events_are_projected_in_order(label_model: LabelModel) -> None:
    await label_model.publish(*range(5))
    async with label_model.projecting():
        await label_model.publish(*range(5, 10))
        await label_model.projected(*range(10))


async def test_events_of_other_kinds_are_skipped(label_model: LabelModel, database: Database, js: JetStream) -> None:
    await publish(js, MarbleAdded.example())
    await label_model.publish(0)
    async with label_model.projecting():
        await label_model.projected(0)
    assert await database.fetchval("SELECT sequence FROM checkpoints WHERE name = 'jars'") == 2


async def test_a_projector_resumes_where_the_last_one_stopped(label_model: LabelModel) -> None:
    for label in range(3):
        await label_model.publish(label)
        async with label_model.projecting():
            await label_model.projected(*range(label + 1))


async def test_a_projector_killed_in_a_transaction_leaves_nothing_of_it(label_model: LabelModel) -> None:
    interrupted = Interrupted(at="2")
    await label_model.publish(*range(4))
    async with label_model.projecting(label_projector(interrupted)):
        await interrupted.reached.wait()
    async with label_model.projecting():
        await label_model.projected(*range(4))


async def test_an_event_whose_projection_fails_is_not_skipped(label_model: LabelModel) -> None:
    interrupted = Interrupted(at="1", fails=True)
    await label_model.publish(*range(3))
    async with label_model.projecting(label_projector(interrupted)):
        await interrupted.reached.wait()
        interrupted.at = ""
        await label_model.projected(*range(3))


async def test_a_projector_waits_while_another_one_holds_the_lock(
    label_model: LabelModel, database: Database, js: JetStream
) -> None:
    await label_model.publish(0)
    async with database.advisory_lock("projector:jars"):
        await label_projector().run(database, js)
    assert await label_model.labels() == []


async def test_a_projector_that_lost_its_lock_unnoticed_projects_nothing_twice(
    label_model: LabelModel, database: Database
) -> None:
    async with label_model.projecting(), Database.open(database.url, "jar") as replica:
        await label_model.publish(0)
        await label_model.projected(0)
        lock = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jar background'"
        assert await database.fetchval(lock)
        async with label_model.projecting(database=replica):
            await label_model.publish(*range(1, 10))
            await label_model.projected(*range(10))


async def test_an_outage_of_the_bus_before_the_first_event_repeats_nothing(
    label_model: LabelModel, js: JetStream, restart_bus: RestartBus
) -> None:
    await label_model.publish(0)
    async with label_model.projecting():
        await label_model.projected(0)
    async with label_model.projecting():
        await eventually(lambda: _consumers(js))
        await restart_bus()
        await label_model.publish(1)
        await label_model.projected(0, 1)


async def test_a_deleted_consumer_is_recreated(label_model: LabelModel, js: JetStream) -> None:
    await label_model.publish(0)
    async with label_model.projecting():
        await label_model.projected(0)
        for consumer in await js.consumers_info("EVT_JAR"):
            await js.delete_consumer("EVT_JAR", consumer.name)
        await label_model.publish(1)
        await label_model.projected(0, 1)


async def test_messages_that_did_not_arrive_are_requested_again(label_model: LabelModel, js: JetStream) -> None:
    await label_model.publish(0)
    async with label_model.projecting():
        await label_model.projected(0)
        [consumer] = await js.consumers_info("EVT_JAR")
        thief = await js.pull_subscribe_bind(consumer.name, "EVT_JAR")
        async with background(thief.fetch(1, timeout=60)) as [stealing]:
            await label_model.publish(*range(1, 7))
            await eventually(stealing.done)
        await label_model.projected(*range(7))


async def _consumers(js: JetStream) -> int:
    return (await js.stream_info("EVT_JAR")).state.consumer_count

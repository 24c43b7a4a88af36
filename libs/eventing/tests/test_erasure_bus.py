"""The messages of deleted aggregates are deleted on the bus, and readers of the stream pass over what is missing."""

from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from eventing.bus.streams import provision
from eventing.handling import Handlers, subscribers
from eventing.handling.dispatch import Dispatcher
from eventing.handling.operations import operations
from eventing.projectors.followers import projected_by_all
from eventing.relay import Relay
from eventing.relay import reread as module
from eventing.relay.reread import reread
from eventing.store.postgres import PostgresStore
from eventing.testing.breaking import WORD, Breaking
from eventing.testing.following import headers, messages
from eventing.testing.label_model import LabelModel, label_projector
from eventing.testing.messages import JAR, JarBroken, JarOpened, MarbleAdded
from eventing.testing.relaying import publish_all
from eventing.testing.waiting import eventually_equals
from onebox.nats import EmbeddedNats
from runtime.bus.jetstream import JetStream
from runtime.http.health import Health

pytestmark = pytest.mark.usefixtures("fast_ordered_reads")

OTHER, LAST = UUID(int=2), UUID(int=3)
ADDED = MarbleAdded(colour="blue", size=1)


@pytest.fixture
def breaking(postgres_store: PostgresStore, js: JetStream) -> Breaking:
    return Breaking(postgres_store, js)


@pytest.fixture
async def erased(breaking: Breaking) -> Breaking:
    """Provide three jars, of which the second one is erased."""
    await breaking.open(id=OTHER)
    await breaking.open(ADDED)
    await breaking.break_jar()
    await breaking.open(id=LAST)
    await breaking.publish()
    assert await breaking.erase() == 1
    return breaking


def has_word(folder: Path) -> bool:
    return any(WORD.encode() in path.read_bytes() for path in folder.rglob("*.blk"))


async def kinds(js: JetStream) -> list[tuple[UUID, str]]:
    return [(UUID(one["ce-subject"]), one["ce-type"]) for one in await headers(js, "EVT_JAR")]


async def test_messages_of_a_deleted_aggregate_are_deleted(erased: Breaking, js: JetStream) -> None:
    assert await kinds(js) == [(OTHER, JarOpened.subject), (JAR, JarBroken.subject), (LAST, JarOpened.subject)]
    assert [WORD in str(message.data) for message in await messages(js, "EVT_JAR")] == [True, False, True]


async def test_the_content_is_overwritten_in_the_files_of_the_bus(
    nats_server: EmbeddedNats, breaking: Breaking, open_folder: Path
) -> None:
    await breaking.open()
    await breaking.break_jar()
    await breaking.publish()
    assert has_word(open_folder)
    await breaking.erase()
    assert not has_word(open_folder)


async def test_the_last_message_is_left_for_the_relay(breaking: Breaking, js: JetStream) -> None:
    await breaking.open()
    await breaking.break_jar(JAR, ADDED)
    await breaking.publish()
    await breaking.erase()
    assert await kinds(js) == [(JAR, JarBroken.subject), (JAR, MarbleAdded.subject)]
    await breaking.open(id=OTHER)
    await publish_all(breaking.relay)
    assert (await kinds(js))[2:] == [(OTHER, JarOpened.subject)]


async def test_a_lost_stream_is_filled_without_erased_events(erased: Breaking, js: JetStream) -> None:
    expected = await kinds(js)
    await js.delete_stream("EVT_JAR")
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    await publish_all(erased.relay)
    assert await kinds(js) == expected


async def test_a_projector_passes_over_erased_messages(label_model: LabelModel, js: JetStream) -> None:
    await label_model.publish(0)
    async with label_model.projecting():
        await label_model.projected(0)
    await label_model.publish(1, 2, 3, 4, 5)
    for sequence in (2, 3, 5):
        await js.delete_msg("EVT_JAR", sequence)
    async with label_model.projecting():
        await label_model.projected(0, 3, 5)
        await label_model.publish(6)
        await label_model.projected(0, 3, 5, 6)


async def test_a_new_projector_passes_over_erased_messages(label_model: LabelModel, js: JetStream) -> None:
    await label_model.publish(0, 1, 2, 3)
    for sequence in (2, 3):
        await js.delete_msg("EVT_JAR", sequence)
    async with label_model.projecting():
        await label_model.projected(0, 3)


async def test_a_relay_resumes_after_the_last_message_was_deleted(breaking: Breaking, js: JetStream) -> None:
    await breaking.open()
    await breaking.open(id=OTHER)
    await breaking.publish()
    await js.delete_msg("EVT_JAR", 2)
    await breaking.open(id=LAST)
    await publish_all(Relay(breaking.store, js, "jar"))
    assert await kinds(js) == [(JAR, JarOpened.subject), (LAST, JarOpened.subject)]


async def test_events_are_not_erased_before_others_have_projected_them(
    breaking: Breaking, label_model: LabelModel, js: JetStream, nats_url: str, postgres_store: PostgresStore
) -> None:
    breaking.erasure.projected = partial(projected_by_all, js, "jar", ["shelf"])
    await breaking.open()
    await breaking.break_jar()
    await breaking.publish()
    assert await breaking.erase() == 0  # nobody answers
    queries = operations("shelf", postgres_store, Health(), [label_projector()])
    dispatcher = Dispatcher(postgres_store, postgres_store.database, None, Handlers(), Handlers())
    async with subscribers.serving(nats_url, "shelf", dispatcher, queries):
        assert await breaking.erase() == 0  # it has projected nothing yet
        async with label_model.projecting():
            await eventually_equals(breaking.erasure.erase_all, 1)


async def test_events_that_others_have_not_projected_are_erased_after_a_week(breaking: Breaking, js: JetStream) -> None:
    breaking.erasure.projected = partial(projected_by_all, js, "jar", ["shelf"])
    await breaking.open()
    await breaking.break_jar()
    await breaking.publish()
    await breaking.database.execute("UPDATE erasures SET due_at = now() - interval '6 days 1 minute'")
    assert await breaking.erase() == 1


async def test_a_reread_finds_the_last_common_event_behind_many_erased_ones(
    breaking: Breaking, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SCANNED_MESSAGES", 1)
    await breaking.open(id=OTHER)
    await breaking.open(*[ADDED] * 20)
    await breaking.break_jar()
    for number in range(10, 14):
        await breaking.open(id=UUID(int=number))
    await breaking.publish()
    await breaking.erase()
    await breaking.database.execute("UPDATE relayed SET sequence = 0")
    await breaking.database.execute("DELETE FROM events WHERE originator_id = $1", UUID(int=13))
    done = await reread(breaking.database, js, "jar")
    last = (await js.stream_info("EVT_JAR")).state.last_seq
    assert (done.sequence, done.last, done.renumbered) == (last - 1, last, None)


async def test_an_erased_event_does_not_look_like_one_of_another_cluster(breaking: Breaking, js: JetStream) -> None:
    await breaking.open()
    await breaking.break_jar(JAR, ADDED)  # the last message is of an erased event
    await breaking.publish()
    await breaking.erase()
    await breaking.database.execute("UPDATE relayed SET sequence = 0")
    assert (await reread(breaking.database, js, "jar")).renumbered is None

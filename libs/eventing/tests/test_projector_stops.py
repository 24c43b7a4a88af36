"""A projector whose stream is not as it left it, or holds events that it cannot read."""

from typing import Any

import pytest
from contracts.wire import DEAD_LETTERS
from eventing.bus.streams import provision
from eventing.database import Database
from eventing.projectors import projector as module
from eventing.projectors.projector import Projector
from eventing.testing import eventually
from eventing.testing.following import messages
from eventing.testing.label_model import LabelModel, label_projector
from eventing.testing.messages import JAR, JarOpened, MarbleAdded
from eventing.testing.publishing import publish
from runtime.bus.jetstream import JetStream
from runtime.http.health import NotReady
from runtime.metrics import metrics_of

pytestmark = pytest.mark.usefixtures("fast_ordered_reads", "short_stops")


@pytest.fixture
def short_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOPPED_RETRY_SECONDS", 0.05)


@pytest.fixture
def projector() -> Projector:
    return label_projector()


async def recreate_stream(js: JetStream) -> None:
    await js.delete_stream("EVT_JAR")
    await provision(js, "EVT_JAR", ["evt.jar.>"])


async def shift_sequences(js: JetStream) -> None:
    """Publish other events first, so that a recreated stream has other sequence numbers."""
    for _ in range(5):
        await publish(js, MarbleAdded.example())


def unchanged(_: int, state: dict[str, Any]) -> dict[str, Any]:
    return state


async def test_a_recreated_stream_is_read_and_no_event_projected_twice(label_model: LabelModel, js: JetStream) -> None:
    await shift_sequences(js)
    await label_model.publish(0, 1, 2)
    async with label_model.projecting():
        await label_model.projected(0, 1, 2)
    await recreate_stream(js)
    await label_model.publish(0, 1, 2, 3, 4)  # the relay fills it from the start
    async with label_model.projecting():
        await label_model.projected(0, 1, 2, 3, 4)
        await label_model.publish(5)
        await label_model.projected(0, 1, 2, 3, 4, 5)


async def test_a_stream_recreated_under_a_running_projector_is_read(label_model: LabelModel, js: JetStream) -> None:
    await shift_sequences(js)
    await label_model.publish(0, 1, 2)
    async with label_model.projecting():
        await label_model.projected(0, 1, 2)
        await recreate_stream(js)
        await label_model.publish(0)
        await label_model.publish(1, 2, 3)
        await label_model.projected(0, 1, 2, 3)


async def test_events_dropped_before_they_were_projected_stop_a_projector(
    label_model: LabelModel, database: Database, js: JetStream, projector: Projector
) -> None:
    await label_model.publish(0)
    async with label_model.projecting(projector):
        await label_model.projected(0)
    await label_model.publish(1, 2, 3)
    await js.purge_stream("EVT_JAR", seq=3)
    async with label_model.projecting(projector):
        await eventually(lambda: projector.stopped)
        with pytest.raises(NotReady, match="has dropped the messages between 1 and 3"):
            await projector.check()
        assert metrics_of("eventing").get_sample_value("projector_stopped", {"projector": "jars"}) == 1
        assert await label_model.labels() == [0]
        await database.execute("UPDATE checkpoints SET sequence = 2")  # as the runbook says
        await label_model.projected(0, 2, 3)
        await eventually(lambda: not projector.stopped)
        await projector.check()


async def test_a_new_projector_of_an_incomplete_stream_stops_without_the_source(
    label_model: LabelModel, js: JetStream, projector: Projector
) -> None:
    await label_model.publish(0, 1, 2)
    await js.purge_stream("EVT_JAR", seq=2)
    async with label_model.projecting(projector):
        await eventually(lambda: projector.stopped)
        with pytest.raises(NotReady, match="between 0 and 2, and jar does not send its stored events"):
            await projector.check()
    assert await label_model.labels() == []


async def test_an_event_of_a_newer_release_stops_a_projector(
    label_model: LabelModel, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await label_model.publish(0)
    monkeypatch.setattr(JarOpened, "version", 2)
    await label_model.publish(1)
    monkeypatch.setattr(JarOpened, "version", 1)
    async with label_model.projecting(projector):
        await eventually(lambda: projector.stopped)
        assert "1 is the newest version" in (projector.stopped or "")
        assert await label_model.labels() == [0]
        monkeypatch.setattr(JarOpened, "version", 2)
        monkeypatch.setattr(JarOpened, "upcast", unchanged)
        await label_model.projected(0, 1)


async def test_an_unreadable_event_is_dead_lettered_and_skipped(label_model: LabelModel, js: JetStream) -> None:
    await label_model.publish(0)
    await js.publish(f"evt.jar.opened.{JAR}.{JAR}", b"no json", headers={"ce-type": "evt.jar.opened"})
    await label_model.publish(2)
    async with label_model.projecting():
        await label_model.projected(0, 2)
    [letter] = await messages(js, DEAD_LETTERS)
    assert (letter.subject, letter.data) == ("dead.jar.jars", b"no json")


async def test_a_projector_resumes_from_the_checkpoint_of_an_earlier_release(
    label_model: LabelModel, database: Database
) -> None:
    await label_model.publish(0, 1, 2)
    await database.execute("INSERT INTO checkpoints VALUES ('jars', 2)")
    async with label_model.projecting():
        await label_model.projected(2)

"""Projectors of a running service: resuming after a restart, and the service's readiness."""

# pyright: reportUnknownMemberType=false
# The methods of nats-py have keyword parameters without types.

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from eventing import failures as failures_module
from eventing.bus.streams import provision
from eventing.database import Database
from eventing.projectors import Projectors
from eventing.projectors.projector import Projector
from eventing.testing import background, eventually
from eventing.testing.messages import MarbleAdded
from eventing.testing.publishing import publish
from eventing.testing.shelf import ShelfSettings, add_marble, shelf
from eventing.testing.shelf.messages import ListMarbles
from nats.js import JetStreamContext
from onebox.ports import ReservedPort
from runtime.bus import Bus, Client, Unavailable
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream
from runtime.http.health import NotReady
from structlog.testing import capture_logs

pytestmark = pytest.mark.usefixtures("fast_ordered_reads")


@pytest.fixture
def settings(database_url: str, nats_url: str) -> ShelfSettings:
    return ShelfSettings(database_url=database_url, nats_url=nats_url)


@asynccontextmanager
async def running(settings: ShelfSettings) -> AsyncGenerator[None]:
    """Run the service of shelves as long as the context is open, then wait until it has stopped."""
    stop = asyncio.Event()
    async with background(shelf().run(settings, stop)) as [run]:
        yield
        stop.set()
        await eventually(run.done)


async def publish_marbles(js: JetStreamContext, *colours: str) -> None:
    for colour in colours:
        await publish(js, MarbleAdded(colour=colour, size=1))


async def has_projected(client: Client, *colours: str) -> bool:
    try:
        return await Bus(client, timeout=1).ask(ListMarbles(), Envelope.begin()) == [*colours]
    except Unavailable:
        return False


async def readiness(port: int) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=60) as http:
        try:
            return (await http.get(f"http://127.0.0.1:{port}/health/ready")).json()
        except httpx.TransportError:
            return {}


async def test_a_restarted_service_resumes_its_projectors(
    settings: ShelfSettings, client: Client, js: JetStreamContext
) -> None:
    await publish_marbles(js, "blue")
    async with running(settings):
        await eventually(lambda: has_projected(client, "blue"))
    await publish_marbles(js, "red")
    async with running(settings):
        await eventually(lambda: has_projected(client, "blue", "red"))


async def test_a_service_whose_projector_missed_events_is_not_ready(
    settings: ShelfSettings, client: Client, js: JetStreamContext
) -> None:
    await publish_marbles(js, "blue")
    async with running(settings):
        await eventually(lambda: has_projected(client, "blue"))
    await publish_marbles(js, "red", "green")
    await js.purge_stream("EVT_JAR", seq=3)
    with ReservedPort() as port:
        async with running(settings.model_copy(update={"ops_port": port.number})):
            result = await eventually(lambda: _stop_reason(port.number))
    assert result.startswith("the projector marbles is stopped: the stream has dropped")


async def _stop_reason(port: int) -> str | None:
    result: str = (await readiness(port)).get("checks", {}).get("projectors", "ok")
    return None if result == "ok" else result


async def test_a_service_whose_projector_keeps_failing_is_not_ready(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures_module, "MAX_FAILING_SECONDS", 0.1)
    nowhere = Projector("marbles", "nowhere", [MarbleAdded], add_marble)
    projectors = Projectors([nowhere], database, client.jetstream())
    async with background(projectors.run()):
        await eventually(lambda: _fails(projectors))


async def test_waiting_for_a_service_that_has_not_started_is_logged_once(database: Database, js: JetStream) -> None:
    both = [Projector(name, "elsewhere", [MarbleAdded], add_marble) for name in ("one", "two")]

    async def are_reading() -> bool:
        return (await js.stream_info("EVT_ELSEWHERE")).state.consumer_count == 2

    with capture_logs() as logs:
        async with background(Projectors(both, database, js).run()):
            await eventually(lambda: logs)
            await provision(js, "EVT_ELSEWHERE", ["evt.elsewhere.>"])
            await eventually(are_reading)
    assert [entry["event"] for entry in logs] == ["waiting for the stream of a service that has not started yet"]


async def _fails(projectors: Projectors) -> bool:
    try:
        await projectors.check()
    except NotReady as reason:
        return str(reason).startswith("projector marbles has failed")
    return False


def test_a_projector_and_a_reaction_with_one_name_are_rejected() -> None:
    doubled = Projector("fill_order", "jar", [MarbleAdded], add_marble)
    with pytest.raises(ValueError, match=r"of shelf have the same name: \['fill_order'\]"):
        replace(shelf(), projectors=[doubled])

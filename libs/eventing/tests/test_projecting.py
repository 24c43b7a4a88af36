"""Projectors as a part of their service: what its readiness says, and what becomes of them when it stops."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from eventing import failures as failures_module
from eventing.database import Database
from eventing.projector import Projector
from eventing.projectors import Projectors
from eventing.testing import background, eventually
from eventing.testing.messages import MarbleAdded
from eventing.testing.publishing import publish
from eventing.testing.shelf import ShelfSettings, add_marble, shelf
from eventing.testing.shelf.messages import ListMarbles
from nats.js import JetStreamContext
from onebox.ports import ReservedPort
from runtime import ordered
from runtime.bus import Bus, Client, Unavailable
from runtime.envelope import Envelope
from runtime.health import NotReady


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 0.2)


@pytest.fixture
def settings(database_url: str, nats_url: str) -> ShelfSettings:
    return ShelfSettings(database_url=database_url, nats_url=nats_url)


@asynccontextmanager
async def running(settings: ShelfSettings) -> AsyncGenerator[None]:
    """Run the service of shelves until the context ends, and then wait until it has stopped."""
    stop = asyncio.Event()
    async with background(shelf().run(settings, stop)) as [run]:
        yield
        stop.set()
        await eventually(run.done)


async def put_in(js: JetStreamContext, *colours: str) -> None:
    for colour in colours:
        await publish(js, MarbleAdded(colour=colour, size=1))


async def noted(client: Client, *colours: str) -> bool:
    try:
        return await Bus(client, timeout=1).ask(ListMarbles(), Envelope.begin()) == [*colours]
    except Unavailable:
        return False


async def readiness(port: int) -> dict[str, Any]:
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(f"http://127.0.0.1:{port}/health/ready")).json()
        except httpx.TransportError:
            return {}


async def test_a_service_goes_on_where_its_projectors_stopped(
    settings: ShelfSettings, client: Client, js: JetStreamContext
) -> None:
    await put_in(js, "blue")
    async with running(settings):
        await eventually(lambda: noted(client, "blue"))
    await put_in(js, "red")
    async with running(settings):
        await eventually(lambda: noted(client, "blue", "red"))


async def test_a_projector_behind_dropped_events_makes_the_service_not_ready(
    settings: ShelfSettings, client: Client, js: JetStreamContext
) -> None:
    await put_in(js, "blue")
    async with running(settings):
        await eventually(lambda: noted(client, "blue"))
    await put_in(js, "red", "green")
    await js.purge_stream("EVT_JAR", seq=3)
    with ReservedPort() as port:
        async with running(settings.model_copy(update={"ops_port": port.number})):
            verdict = await eventually(lambda: _stopped(port.number))
    assert verdict.startswith("the projector marbles is stopped: the stream has dropped")


async def _stopped(port: int) -> str | None:
    verdict: str = (await readiness(port)).get("checks", {}).get("projectors", "ok")
    return None if verdict == "ok" else verdict


async def test_a_projector_that_fails_for_long_makes_the_service_not_ready(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures_module, "MAX_FAILING_SECONDS", 0.1)
    nowhere = Projector("marbles", "nowhere", [MarbleAdded], add_marble)
    projectors = Projectors([nowhere], database, client.jetstream())
    async with background(projectors.run()):
        await eventually(lambda: _fails(projectors))


async def _fails(projectors: Projectors) -> bool:
    try:
        await projectors.check()
    except NotReady as reason:
        return str(reason).startswith("projector marbles has failed")
    return False


def test_a_projector_and_a_reaction_of_one_name_are_refused() -> None:
    doubled = Projector("fill_order", "jar", [MarbleAdded], add_marble)
    with pytest.raises(ValueError, match=r"of shelf have the same name: \['fill_order'\]"):
        replace(shelf(), projectors=[doubled])

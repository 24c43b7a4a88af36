"""Two services that work for each other: an order on the shelf is a marble in a jar, once, whoever is killed."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Command, Query
from eventing.testing import eventually
from eventing.testing.messages import JAR, GetJar, OpenJar
from eventing.testing.shelf.messages import ListMarbles, PlaceOrder
from runtime.bus import Bus, Client, Unavailable
from runtime.envelope import Envelope

PROGRAM = Path(__file__).with_name("small_service.py")
PATIENCE = 30.0
BLUE, RED = PlaceOrder.example(), PlaceOrder(order_id=UUID(int=2), jar_id=JAR, colour="red")

type Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(database_url: str, nats_url: str) -> Generator[Start]:
    started: list[subprocess.Popen[bytes]] = []
    servers = {"DATABASE_URL": database_url, "NATS_URL": nats_url}

    def start(service: str, **settings: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, str(PROGRAM), service], env={**servers, **settings}))  # noqa: S603
        return started[-1]

    yield start
    for process in started:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


class Customer:
    """Talks to both services, as soon as they are there."""

    def __init__(self, client: Client) -> None:
        self.client, self.bus = client, Bus(client, timeout=1)

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        envelope = Envelope.begin()
        [result] = await eventually(lambda: self._try(message, envelope), within=PATIENCE)
        return result

    async def _try(self, message: Any, envelope: Envelope) -> list[Any] | None:
        try:
            return [await self.bus.ask(message, envelope)]
        except Unavailable:
            return None

    async def marbles(self) -> int:
        return (await self.ask(GetJar.example())).marbles

    async def noted(self, *colours: str) -> None:
        """Wait until the shelf knows of exactly these marbles."""
        await eventually(lambda: self._knows([*colours]), within=PATIENCE)

    async def _knows(self, colours: list[str]) -> bool:
        return await self.ask(ListMarbles()) == colours

    async def settled(self) -> None:
        """Wait until every order is acknowledged."""
        await eventually(self._nothing_left, within=PATIENCE)

    async def _nothing_left(self) -> bool:
        return (await self.client.jetstream().stream_info("WORK_SHELF")).state.messages == 0


@pytest.fixture
def customer(client: Client) -> Customer:
    return Customer(client)


async def test_an_order_on_the_shelf_is_a_marble_in_a_jar_and_the_shelf_knows(start: Start, customer: Customer) -> None:
    start("jar")
    start("shelf")
    await customer.ask(OpenJar.example())
    await customer.ask(BLUE)
    await customer.noted("blue")
    assert await customer.marbles() == 1


async def test_a_service_killed_before_it_acknowledged_commands_once(start: Start, customer: Customer) -> None:
    start("jar")
    killed = start("shelf", ACKNOWLEDGES="false")
    await customer.ask(OpenJar.example())
    await customer.ask(BLUE)
    await eventually(customer.marbles, within=PATIENCE)
    kill(killed)
    start("shelf")
    await customer.ask(ListMarbles())
    await customer.settled()
    await customer.ask(RED)
    await customer.noted("blue", "red")
    assert await customer.marbles() == 2


async def test_a_service_killed_before_it_answered_is_commanded_once(start: Start, customer: Customer) -> None:
    killed = start("jar", HANGS="true")
    start("shelf")
    await customer.ask(OpenJar.example())
    await customer.ask(BLUE)
    await eventually(customer.marbles, within=PATIENCE)
    kill(killed)
    start("jar")
    await customer.settled()
    await customer.ask(RED)
    await customer.noted("blue", "red")
    assert await customer.marbles() == 2

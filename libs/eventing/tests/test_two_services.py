"""Two services that work merge: an order puts one marble into a jar, whichever service is killed."""

# pyright: reportUnknownMemberType=false
# The methods of nats-py have keyword parameters without types.

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
from runtime.bus.envelope import Envelope

PROGRAM = Path(__file__).with_name("small_service.py")
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
    """A client of both services that waits until they are available."""

    def __init__(self, client: Client) -> None:
        self.client, self.bus = client, Bus(client, timeout=1)

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        envelope = Envelope.begin()
        [result] = await eventually(lambda: self._try(message, envelope))
        return result

    async def _try(self, message: Any, envelope: Envelope) -> list[Any] | None:
        try:
            return [await self.bus.ask(message, envelope)]
        except Unavailable:
            return None

    async def marbles(self) -> int:
        return (await self.ask(GetJar.example())).marbles

    async def projected(self, *colours: str) -> None:
        """Wait until the shelf's read model has exactly these marbles."""
        await eventually(lambda: self._has_marbles([*colours]))

    async def _has_marbles(self, colours: list[str]) -> bool:
        return await self.ask(ListMarbles()) == colours

    async def settled(self) -> None:
        """Wait until every order is acknowledged."""
        await eventually(self._has_no_work)

    async def _has_no_work(self) -> bool:
        return (await self.client.jetstream().stream_info("WORK_SHELF")).state.messages == 0


@pytest.fixture
def customer(client: Client) -> Customer:
    return Customer(client)


async def test_an_order_puts_a_marble_into_a_jar_and_the_shelf_projects_it(start: Start, customer: Customer) -> None:
    start("jar")
    start("shelf")
    await customer.ask(OpenJar.example())
    await customer.ask(BLUE)
    await customer.projected("blue")
    assert await customer.marbles() == 1


async def test_a_service_killed_before_it_acknowledges_commands_once(start: Start, customer: Customer) -> None:
    start("jar")
    killed = start("shelf", ACKNOWLEDGES="false")
    await customer.ask(OpenJar.example())
    await customer.ask(BLUE)
    await eventually(customer.marbles)
    kill(killed)
    start("shelf")
    await customer.ask(ListMarbles())
    await customer.settled()
    await customer.ask(RED)
    await customer.projected("blue", "red")
    assert await customer.marbles() == 2


async def test_a_service_killed_before_it_replies_executes_once(start: Start, customer: Customer) -> None:
    killed = start("jar", HANGS="true")
    start("shelf")
    await customer.ask(OpenJar.example())
    await customer.ask(BLUE)
    await eventually(customer.marbles)
    kill(killed)
    start("jar")
    await customer.settled()
    await customer.ask(RED)
    await customer.projected("blue", "red")
    assert await customer.marbles() == 2

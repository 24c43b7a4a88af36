"""A second service for tests: an order adds a marble to a jar, and a projection lists the marbles of all jars."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from runtime.bus import Client

from eventing.database import Connection, Database
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.projectors.projector import Projector
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded
from eventing.service import Service, ServiceSettings
from eventing.testing.messages import AddMarble, MarbleAdded
from eventing.testing.shelf.messages import ListMarbles, OrderPlaced, PlaceOrder
from eventing.testing.shelf.order import Order

handles, answers, reactions = Handlers(), Handlers(), Reactions()


class ShelfSettings(ServiceSettings):
    """Settings; with `acknowledges` false, a reaction hangs after it has sent its command, so that it can be killed."""

    acknowledges: bool = True


@handles
async def place_order(command: PlaceOrder, work: UnitOfWork[asyncio.Event]) -> None:
    """Place an order."""
    order = Order(command.order_id)
    order.record(OrderPlaced(jar_id=command.jar_id, colour=command.colour))
    await work.save(order)


@answers
async def list_marbles(_: ListMarbles, context: QueryContext[asyncio.Event]) -> list[str]:
    """Return the colours of all marbles in jars, as far as they have been projected."""
    return [row["colour"] for row in await context.database.fetch("SELECT colour FROM marbles ORDER BY n")]


@reactions.shared("fill_order")
async def fill_order(recorded: Recorded[OrderPlaced], reaction: Reaction[asyncio.Event]) -> None:
    """Add the ordered marble to its jar."""
    await reaction.send(AddMarble(jar_id=recorded.event.jar_id, colour=recorded.event.colour))
    await reaction.dependencies.wait()


async def project(recorded: Recorded[OrderPlaced], db: Connection) -> None:
    """Write nothing: orders have no read model."""


async def add_marble(recorded: Recorded[MarbleAdded], db: Connection) -> None:
    """Store a marble of the other service."""
    await db.execute("INSERT INTO marbles (colour) VALUES ($1)", recorded.event.colour)


@asynccontextmanager
async def dependencies(settings: ShelfSettings, _: Database, __: Client) -> AsyncGenerator[asyncio.Event]:
    """Yield the event that is set when reactions may end."""
    may_end = asyncio.Event()
    if settings.acknowledges:
        may_end.set()
    yield may_end


def shelf() -> Service[ShelfSettings, asyncio.Event]:
    """Return the service, with a projector."""
    return Service(
        name="shelf",
        aggregates=[Order],
        commands=handles,
        queries=answers,
        project=project,
        package=__name__,
        dependencies=dependencies,
        reactions=reactions,
        projectors=[Projector("marbles", "jar", [MarbleAdded], add_marble)],
    )

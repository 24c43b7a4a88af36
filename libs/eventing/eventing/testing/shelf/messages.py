"""The commands, queries and events of the service of shelves."""

from uuid import UUID

from contracts.messages import Command, Event, Query

from eventing.testing.messages import JAR


class PlaceOrder(Command[None]):
    """Order a marble for a jar."""

    subject = "cmd.shelf.place_order"
    sample = {"order_id": str(UUID(int=1)), "jar_id": str(JAR), "colour": "blue"}

    order_id: UUID
    jar_id: UUID
    colour: str


class ListMarbles(Query[list[str]]):
    """List the colours of all marbles in jars, in the order in which they were added."""

    subject = "qry.shelf.list_marbles"
    sample = {}


class OrderPlaced(Event):
    """A marble was ordered for a jar."""

    subject = "evt.shelf.order_placed"
    sample = {"jar_id": str(JAR), "colour": "blue"}

    jar_id: UUID
    colour: str

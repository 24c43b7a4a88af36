"""The aggregate of an order of a marble for a jar."""

from uuid import UUID

from contracts.refusals import Code

from eventing.aggregate import Aggregate
from eventing.testing.shelf.messages import OrderPlaced


class Order(Aggregate[OrderPlaced]):
    """An order, about which nothing is decided."""

    missing = Code.SESSION_NOT_FOUND

    @property
    def owner(self) -> UUID:
        """The id of the order: it belongs to no user."""
        return self.id

    def apply(self, event: OrderPlaced) -> None:
        """Fold one event, which changes nothing."""

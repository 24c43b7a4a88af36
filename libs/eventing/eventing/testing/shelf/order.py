"""Order: what somebody wants to be put into a jar."""

from uuid import UUID

from contracts.refusals import Code

from eventing.aggregate import Aggregate
from eventing.testing.shelf.messages import OrderPlaced


class Order(Aggregate[OrderPlaced]):
    """An order; nothing is decided about it."""

    missing = Code.SESSION_NOT_FOUND

    @property
    def owner(self) -> UUID:
        """An order has no owner but itself."""
        return self.id

    def apply(self, event: OrderPlaced) -> None:
        """Fold one event, of which nothing has to be known."""

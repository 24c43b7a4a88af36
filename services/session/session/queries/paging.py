"""Pages of long lists: after or before an item, or after so many items."""

# ruff: noqa: S608
# Statements are put together from constants; values are always parameters.

from dataclasses import dataclass
from uuid import UUID

from contracts.messages import Keyset
from contracts.refusals import Code, Refusal
from contracts.session.values import Order
from eventing.database import Row

from session.queries.filters import Filters
from session.queries.visible import Context


@dataclass(frozen=True)
class Listing:
    """A list of rows in the order of a unique column; a cursor that names no row of it is refused as `missing`."""

    columns: str
    table: str
    missing: Code
    order: Order = "desc"
    key: str = "id"

    async def page(self, query: Keyset, visible: Filters, wanted: Filters, context: Context) -> tuple[list[Row], bool]:
        """Return the rows asked for in the order of the list, and whether there are more in the direction of reading.

        A cursor has to be among the `visible` rows, not among the `wanted` ones: its item may have changed meanwhile.

        Raises:
            Refusal: as `missing`; there is no such item.
        """
        backwards = query.before is not None
        ascending = (self.order == "asc") != backwards
        if cursor := query.before or query.after:
            wanted.add(f"{self.key} {'>' if ascending else '<'} {{}}", await self._place(cursor, visible, context))
        rows = await context.database.fetch(
            f"SELECT {self.columns} FROM {self.table} WHERE {wanted.where} "
            f"ORDER BY {self.key} {'asc' if ascending else 'desc'} LIMIT {query.limit + 1:d} OFFSET {query.skip:d}",
            *wanted.values,
        )
        shown, more = rows[: query.limit], len(rows) > query.limit
        return (shown[::-1] if backwards else shown), more

    async def _place(self, cursor: UUID, visible: Filters, context: Context) -> object:
        row = await context.database.fetchrow(
            f"SELECT {self.key} AS place FROM {self.table} WHERE {visible.where} AND id = ${len(visible.values) + 1}",
            *visible.values,
            cursor,
        )
        if row is None:
            raise Refusal(self.missing, f"There is no item {cursor} in this list to go on from.")
        return row["place"]

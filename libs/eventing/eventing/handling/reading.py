"""Building blocks for query handlers: one row that the actor may see, and pages of long lists."""

# ruff: noqa: S608
# Statements are composed only here, and only from constants of the services; values are always parameters.

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.messages import KeysetWindow, Message, Order, Page, Window
from contracts.refusals import Code, Refusal, not_found

from eventing.database import Row
from eventing.database.written import written_row
from eventing.handling import QueryContext

type _Context = QueryContext[Any]

OWN = "user_id = {}"
"""The condition for the rows of a user."""
TOTAL = "total_of_list"
"""The column of the rows of a page that has the total."""
VERSION = "version_of_aggregate"
"""The column of a row that has the version of the aggregate that the first parameter names."""
WITH_VERSION = f"""
    (SELECT originator_version FROM events WHERE originator_id = $1 ORDER BY originator_version DESC LIMIT 1)
    AS {VERSION}"""


class Filters:
    """Conditions of a WHERE clause; those whose value is None are omitted."""

    def __init__(self, **equal: object) -> None:
        self._parts: list[tuple[str, object]] = []
        for column, value in equal.items():
            self.add(column + " = {}", value)

    def __and__(self, other: "Filters") -> "Filters":
        both = Filters()
        both._parts = self._parts + other._parts
        return both

    def add(self, condition: str, value: object) -> None:
        """Add a condition in which `{}` stands for the value."""
        if value is not None:
            self._parts.append((condition, value))

    @property
    def where(self) -> str:
        """The conditions as SQL, whose parameters are `values`."""
        numbered = enumerate(self._parts, start=1)
        return " AND ".join(condition.format(f"${n}") for n, (condition, _) in numbered) or "true"

    @property
    def values(self) -> list[object]:
        """The parameters of `where`, in order."""
        return [value for _, value in self._parts]


@dataclass(frozen=True)
class Table:
    """A table of a read model. Its rows have an `id`; `key` is the unique column that lists are ordered by.

    A row that does not exist for the actor is refused with the code `missing`. `readable` is the condition for the rows
    that a user may see, with `{}` for the user's id; None if that is decided elsewhere. Admins may see all rows. If
    `name` joins another table for more columns, `rows` is the table of the rows alone, which is cheaper to count.
    """

    name: str
    missing: Code
    readable: str | None = OWN
    key: str = "id"
    rows: str | None = None

    async def fetch(self, columns: str, id: UUID, context: _Context, **within: object) -> Row:
        """Return the row with an id, if the actor may see it and its columns have the values in `within`.

        If the version of an aggregate with this id is wanted, it is read as well. Handlers read this row first, so that
        nothing in their answer is older.

        Raises:
            Refusal: with the code `missing`. Another user's row is refused in the same way, so that its existence is
                not revealed.
        """
        if not within and (written := written_row(self.name, columns, id)) and self._may_see(written, context):
            return written
        if row := await self._row(columns, Filters(id=id, **within), id, context):
            return row
        parents = "".join(f" in this {column.removesuffix('_id')}" for column in within)
        raise not_found(self.missing, id, parents, owner=await self.owner(id, context))

    async def fetch_within(self, columns: str, id: UUID, context: _Context, parent: "Table", **reference: UUID) -> Row:
        """Return the row with an id that belongs to a row of `parent`, which the column `reference` names.

        This is one statement if the actor may see both. For an admin, who may see all rows, the parent is not read: a
        foreign key has to guarantee that it exists.

        Raises:
            Refusal: with the code `missing` of the parent, or else of this table.
        """
        ((column, parent_id),) = reference.items()
        filters = Filters(**reference, id=id)
        readable = f"SELECT FROM {parent.name} WHERE id = {column} AND ({parent.readable}) IS TRUE"
        filters.add(f"EXISTS ({readable})", _user(parent.readable, context))
        if row := await self._row(columns, filters, parent_id, context):
            return row
        await parent.fetch("id", parent_id, context)
        raise not_found(self.missing, id, f" in this {column.removesuffix('_id')}")

    async def existing(self, ids: list[UUID], context: _Context) -> list[UUID]:
        """Return the ids whose rows the actor may see."""
        filters = self.visible(context)
        filters.add("id = ANY({})", ids)
        return [row["id"] for row in await self._select("id", filters, context)]

    async def first(
        self, columns: str, limit: int, filters: Filters, context: _Context, *, skip: int = 0, ascending: bool = True
    ) -> tuple[list[Row], bool]:
        """Return the first `limit` rows in the order of the key, after `skip` others, and whether there are more."""
        order = f"ORDER BY {self.key} {'asc' if ascending else 'desc'} LIMIT {limit + 1:d} OFFSET {skip:d}"
        rows = await self._select(columns, filters, context, order)
        return rows[:limit], len(rows) > limit

    def visible(self, context: _Context) -> Filters:
        """Return the filters for the rows that the actor may see."""
        filters = Filters()
        filters.add(self.readable or "true", _user(self.readable, context))
        return filters

    async def owner(self, id: UUID, context: _Context) -> UUID | None:
        """Return the owner of a row that the actor may not see, for the audit log; None if there is no such row."""
        user = _user(self.readable, context)
        if user is None or "user_id" not in (self.readable or ""):
            return None
        rows = await self._select("user_id", Filters(id=id), context)
        return next((row["user_id"] for row in rows if row["user_id"] != user), None)

    def _may_see(self, row: Row, context: _Context) -> bool:
        """Return whether the actor may see a row for sure; that of another owner has to be read."""
        return self.readable == OWN and _user(self.readable, context) in (None, row["user_id"])

    async def _row(self, columns: str, filters: Filters, named: UUID, context: _Context) -> Row | None:
        """Return the row if the actor may see it, and note the version of the aggregate `named`, if that is wanted.

        The first one of the filters has to be that for the id of the aggregate.
        """
        # IS TRUE prevents the use of an index on the user: without statistics, the planner might read all rows of the
        # user to find this one.
        filters.add(f"({self.readable}) IS TRUE", _user(self.readable, context))
        wanted = context.wanted if context.wanted and context.wanted.id == named else None
        rows = await self._select(f"{columns}, {WITH_VERSION}" if wanted else columns, filters, context)
        if rows and wanted:
            wanted.is_read, wanted.version = True, rows[0].pop(VERSION)
        return rows[0] if rows else None

    async def _select(self, columns: str, filters: Filters, context: _Context, order: str = "") -> list[Row]:
        statement = f"SELECT {columns} FROM {self.name} WHERE {filters.where} {order}"
        return [dict(row) for row in await context.database.fetch(statement, *filters.values)]


def _user(readable: str | None, context: _Context) -> UUID | None:
    """Return the user to whose rows the condition `readable` limits a read; None if it does not."""
    return None if readable is None or context.actor.role == "admin" else context.actor.user_id


def visible_written_row(table: str, columns: str, id: UUID, context: _Context, **within: object) -> Row | None:
    """Return the row that the append of this command has written, without its `user_id`.

    None if it has to be read: there is none, the actor may not see it, or its columns do not have the values in
    `within`.
    """
    row = written_row(table, columns, id)
    if row is None or not context.actor.may_see(row["user_id"]) or not within.items() <= row.items():
        return None
    return {name: value for name, value in row.items() if name != "user_id"}


@dataclass(frozen=True)
class Listing[V: Message]:
    """A long list of rows, each converted by `item`. Its total is a count of rows, or a sum in the table `counters`.

    Rows are counted up to `max_total`, which bounds the cost of lists without counters.
    """

    table: Table
    columns: str
    item: Callable[[Row], V]
    counters: str | None = None
    max_total: int | None = None

    async def page(
        self,
        query: KeysetWindow,
        context: _Context,
        filters: Filters,
        *,
        within: Filters | None = None,
        order: Order = "desc",
        total: int | None = None,
    ) -> Page[V]:
        """Return the requested page. Pass `total` if it is known without counting.

        The item of a cursor has to be visible to the actor `within` its parent, but need not match `filters`, because
        it may have changed since the previous page.

        Raises:
            Refusal: with the table's `missing`; there is no item for the cursor.
        """
        visible = self.table.visible(context) & (within or Filters())
        wanted = visible & filters
        counting = None if total is not None else self._counting(wanted)
        backwards = query.before is not None
        ascending = (order == "asc") != backwards
        if cursor := query.before or query.after:
            key = await self._key_of(cursor, visible, context)
            wanted.add(f"{self.table.key} {'>' if ascending else '<'} {{}}", key)
        # In one statement; the filters of the count are the first ones of the list, and so are its parameters.
        columns = f"{self.columns}, ({counting[0]}) AS {TOTAL}" if counting else self.columns
        rows, more = await self.table.first(columns, query.limit, wanted, context, skip=query.skip, ascending=ascending)
        if counting:
            totals = [row.pop(TOTAL) for row in rows]
            total = totals[0] if totals else await context.database.fetchval(counting[0], *counting[1])
        items = [self.item(row) for row in (rows[::-1] if backwards else rows)]
        return Page(items=items, total=total or 0, more=more)

    def _counting(self, filters: Filters) -> tuple[str, list[object]]:
        """Return the statement that counts the rows which pass the filters, and its parameters."""
        counted = "coalesce(sum(n), 0)::bigint" if self.counters else "count(*)"
        counted_table = self.counters or self.table.rows or self.table.name
        statement = f"SELECT {counted} FROM {counted_table} WHERE {filters.where}"
        if self.max_total is not None:
            rows = f"SELECT FROM {counted_table} WHERE {filters.where} LIMIT {self.max_total:d}"
            statement = f"SELECT count(*) FROM ({rows}) AS bounded"
        return statement, filters.values

    async def _key_of(self, cursor: UUID, visible: Filters, context: _Context) -> object:
        statement = f"SELECT {self.table.key} FROM {self.table.name} WHERE {(visible & Filters(id=cursor)).where}"
        key = await context.database.fetchval(statement, *visible.values, cursor)
        if key is None:
            detail = f"There is no item {cursor} in this list to continue from."
            raise Refusal(self.table.missing, detail, owner=await self.table.owner(cursor, context))
        return key


@dataclass(frozen=True)
class Sums:
    """Sums of `columns` over groups of the rows of a table."""

    table: str
    columns: tuple[str, ...]

    async def page(
        self, group_by: str, window: Window, context: _Context, filters: Filters, order: str
    ) -> tuple[list[Row], Row, int]:
        """Return the requested groups, the sums over all groups, and the number of groups.

        The `key` of a group is its value of the expression `group_by`, as text. The `order` is by `key` or `columns`.
        """
        sums = ", ".join(f"sum({column}) AS {column}" for column in self.columns)
        totals = ", ".join(f"coalesce(sum({column}), 0) AS total_{column}" for column in self.columns)
        rows = await context.database.fetch(
            # One statement, so that groups and totals agree. It returns the totals even if there are no groups.
            f"WITH groups AS MATERIALIZED (SELECT {group_by}::text AS key, {sums} FROM {self.table} "
            f"WHERE {filters.where} GROUP BY {group_by}), "
            f"page AS (SELECT *, row_number() OVER (ORDER BY {order}) AS place FROM groups "
            f"ORDER BY place LIMIT {window.limit:d} OFFSET {window.skip:d}), "
            f"totals AS (SELECT count(*) AS groups, {totals} FROM groups) "
            "SELECT * FROM totals LEFT JOIN page ON true ORDER BY place",
            *filters.values,
        )
        groups = [{name: row[name] for name in ("key", *self.columns)} for row in rows if row["place"] is not None]
        return groups, {name: rows[0][f"total_{name}"] for name in self.columns}, rows[0]["groups"]

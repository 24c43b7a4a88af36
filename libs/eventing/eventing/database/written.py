"""Rows as an append has written them: the query whose answer is the result of the command need not read them again.

A row is known by its id, and by the columns that the statement returns: for a query that selects the same ones.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from eventing.database import Row

type _Key = tuple[str, str, object]

_rows: ContextVar[dict[_Key, Row] | None] = ContextVar("_rows", default=None)


@contextmanager
def keeping_rows() -> Generator[None]:
    """Keep the rows that are written within the block, until its end."""
    token = _rows.set({})
    try:
        yield
    finally:
        _rows.reset(token)


def keep_row(table: str, columns: str, row: Row) -> None:
    """Keep a row as a committed statement has returned it."""
    if (rows := _rows.get()) is not None:
        rows[table, columns, row["id"]] = row


def written_row(table: str, columns: str, id: object) -> Row | None:
    """Return the row that was written; None if it has to be read."""
    rows = _rows.get()
    return rows.get((table, columns, id)) if rows else None

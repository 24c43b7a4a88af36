"""The statements that a database receives."""

from typing import Any, cast

from eventing.database import Database


async def logged_statements(database: Database) -> list[str]:
    """Return the list of the statements that are sent from now on, one after the other.

    The pool reuses the last released connection first, so one is logged.
    """
    statements: list[str] = []

    def log(record: Any) -> None:
        statements.append(record.query)

    async with database.connection() as connection:
        cast(Any, connection).add_query_logger(log)
    return statements

"""A row that an append returns is the one that a query would read, and is read if it may be another one."""

from unittest.mock import Mock
from uuid import UUID

import asyncpg
import pytest
from contracts.identity.values import Role
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from eventing.database import Database, Row
from eventing.database.deferred import KnownValues, Unexpected, deferred_transaction
from eventing.database.written import keep_row, keeping_rows, written_row
from eventing.handling import QueryContext
from eventing.handling.reading import Table, visible_written_row
from eventing.testing.statements import logged_statements
from runtime.bus.envelope import Envelope

ID, OWNER, STRANGER = UUID(int=1), UUID(int=2), UUID(int=3)
COLUMNS = "*, (SELECT count(*) FROM parents) AS parents"
ADD = f"INSERT INTO jars (id, label) VALUES ($1, $2) RETURNING {COLUMNS}"  # noqa: S608  no input
OTHER = "INSERT INTO others VALUES ($1)"
NONE = "SELECT 1 FROM jars WHERE label = $1"


@pytest.fixture
def tables() -> str:
    return "CREATE TABLE others (label text UNIQUE); CREATE TABLE parents ()"


async def written_after(database: Database, *more: str, known: KnownValues | None = None) -> Row | None:
    """Write to another table, expect that there is no jar, create one, write more, and return the jar's row."""
    with keeping_rows():
        async with deferred_transaction(database, known) as connection:
            await connection.execute(OTHER, "one")
            if known:
                await connection.expect_none(NONE, "one")
            await connection.execute(ADD, ID, "one")
            for statement in more:
                await connection.execute(statement)
        return written_row("jars", COLUMNS, ID)


@pytest.mark.parametrize("known", [None, KnownValues()])
async def test_the_row_of_a_single_statement_is_kept(database: Database, known: KnownValues | None) -> None:
    sent = await logged_statements(database)
    assert await written_after(database, known=known) == {"id": ID, "label": "one", "marbles": 0, "parents": 0}
    assert len(sent) == 1


async def test_a_row_that_a_later_statement_may_change_is_not_kept(database: Database) -> None:
    assert await written_after(database, "UPDATE jars SET marbles = 1") is None


async def test_all_other_writes_of_the_statement_are_done(database: Database) -> None:
    await database.execute("CREATE TABLE more (label text)")
    await written_after(database, "INSERT INTO more VALUES ('one')")
    counts = [await database.fetchval(f"SELECT count(*) FROM {table}") for table in ("others", "jars", "more")]  # noqa: S608
    assert counts == [1, 1, 1]


async def test_the_violation_of_the_first_write_is_raised(database: Database) -> None:
    await written_after(database)
    with pytest.raises(asyncpg.UniqueViolationError) as violation:
        await written_after(database)
    assert violation.value.constraint_name == "others_label_key"


async def test_nothing_is_written_if_an_expectation_fails(database: Database) -> None:
    await database.execute("INSERT INTO jars (id, label) VALUES ($1, 'one')", STRANGER)
    with pytest.raises(Unexpected):
        await written_after(database, known=KnownValues())
    assert await database.fetchval("SELECT count(*) FROM others") == 0


async def test_no_row_is_kept_beyond_the_block(database: Database) -> None:
    await written_after(database)
    assert written_row("jars", COLUMNS, ID) is None


async def test_a_written_row_is_that_of_an_actor_who_may_see_it(database: Database) -> None:
    own = Table("(SELECT id AS user_id, * FROM jars) AS jars", Code.SESSION_NOT_FOUND)
    row: Row = {"id": ID, "user_id": OWNER}
    with keeping_rows():
        keep_row(own.name, "*", row)
        assert await own.fetch("*", ID, _context(database, OWNER)) == row
        with pytest.raises(Refusal):
            await own.fetch("*", ID, _context(database, STRANGER))


@pytest.mark.parametrize(
    ("user", "role", "parent", "found"),
    [
        (OWNER, "user", 7, {"id": ID, "parent": 7}),
        (STRANGER, "admin", 7, {"id": ID, "parent": 7}),
        (STRANGER, "user", 7, None),
        (OWNER, "user", 8, None),
    ],
)
def test_a_written_row_has_to_be_visible_and_in_its_parent(
    user: UUID, role: Role, parent: int, found: Row | None
) -> None:
    with keeping_rows():
        keep_row("jars", "*", {"id": ID, "user_id": OWNER, "parent": 7})
        assert visible_written_row("jars", "*", ID, _context(Mock(), user, role), parent=parent) == found


def _context(database: Database, user: UUID, role: Role = "user") -> QueryContext[None]:
    return QueryContext(database, Envelope.begin(actor=Actor(user_id=user, role=role)), None)

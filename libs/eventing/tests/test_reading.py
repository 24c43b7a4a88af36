"""Reading single rows that the actor may see, and pages of lists, from a table of jars."""

from dataclasses import replace
from uuid import UUID

import pytest
from contracts.messages import Actor, KeysetWindow
from contracts.refusals import Code, Refusal
from eventing.database import Database
from eventing.handling import QueryContext, WantedVersion
from eventing.handling.reading import Filters, Listing, Table
from eventing.testing.messages import JarView
from eventing.testing.statements import logged_statements
from runtime.bus.envelope import Envelope

# The id of a jar serves as its owner: the table has no other column of that type.
JARS = Table("jars", Code.SESSION_NOT_FOUND, readable="(id = {} OR marbles = 9)")
OWNED_JARS = Table("(SELECT id AS user_id, * FROM jars) AS jars", Code.SESSION_NOT_FOUND)
ALL_JARS = Table("jars", Code.SESSION_NOT_FOUND, readable=None)
MARBLES = Table("(SELECT id, id AS jar_id, 'red' AS colour FROM jars) AS marbles", Code.RUN_NOT_FOUND, readable=None)
IN_FIRST = f"(SELECT id, id AS user_id, '{UUID(int=1)}'::uuid AS jar_id FROM jars) AS marbles"  # noqa: S608  no input
MARBLES_OF_USERS = Table(IN_FIRST, Code.RUN_NOT_FOUND)
LISTING = Listing(ALL_JARS, "id, label, marbles", JarView.model_validate)

type Context = QueryContext[None]


@pytest.fixture
async def context(database: Database) -> Context:
    for number in range(1, 6):
        await database.execute("INSERT INTO jars VALUES ($1, $2, $3)", UUID(int=number), str(number), number % 2)
    return as_user(database, 1)


def as_user(database: Database, number: int) -> Context:
    return QueryContext(database, Envelope.begin(actor=Actor(user_id=UUID(int=number), role="user")), None)


def as_admin(database: Database) -> Context:
    return QueryContext(database, Envelope.begin(actor=Actor(user_id=UUID(int=1), role="admin")), None)


async def labels(context: Context, query: KeysetWindow, filters: Filters | None = None) -> tuple[list[str], int, bool]:
    page = await LISTING.page(query, context, filters or Filters())
    return [jar.label for jar in page.items], page.total, page.more


async def test_a_user_fetches_their_own_row(context: Context) -> None:
    assert (await JARS.fetch("label", UUID(int=1), context))["label"] == "1"


async def test_another_users_row_is_not_found(context: Context) -> None:
    with pytest.raises(Refusal, match="There is no session 00000000-0000-0000-0000-000000000002"):
        await JARS.fetch("label", UUID(int=2), context)


@pytest.mark.parametrize(("row", "owner"), [(2, UUID(int=2)), (77, None)])
async def test_only_the_refusal_of_another_users_row_has_its_owner(
    context: Context, row: int, owner: UUID | None
) -> None:
    with pytest.raises(Refusal) as refusal:
        await OWNED_JARS.fetch("label", UUID(int=row), context)
    assert refusal.value.owner == owner
    assert str(refusal.value) == f"SESSION_NOT_FOUND: There is no session {UUID(int=row)}."


async def test_the_refusal_of_an_own_row_of_another_parent_has_no_owner(context: Context) -> None:
    with pytest.raises(Refusal) as refusal:
        await OWNED_JARS.fetch("label", UUID(int=1), context, marbles=0)
    assert refusal.value.owner is None


async def test_an_admin_fetches_every_row(context: Context) -> None:
    assert (await JARS.fetch("label", UUID(int=2), as_admin(context.database)))["label"] == "2"


async def test_a_row_of_another_parent_is_not_found(context: Context) -> None:
    with pytest.raises(Refusal, match="in this marbles"):
        await JARS.fetch("label", UUID(int=1), context, marbles=0)


async def test_a_row_within_a_visible_one_takes_one_statement(context: Context) -> None:
    sent = await logged_statements(context.database)
    row = await MARBLES.fetch_within("colour", UUID(int=1), context, OWNED_JARS, jar_id=UUID(int=1))
    assert (row["colour"], len(sent)) == ("red", 1)


@pytest.mark.parametrize(
    ("id", "jar", "missing"),
    [(2, 2, Code.SESSION_NOT_FOUND), (1, 2, Code.SESSION_NOT_FOUND), (2, 1, Code.RUN_NOT_FOUND)],
)
async def test_a_row_is_found_only_in_its_visible_parent(context: Context, id: int, jar: int, missing: Code) -> None:
    with pytest.raises(Refusal) as refusal:
        await MARBLES.fetch_within("colour", UUID(int=id), context, OWNED_JARS, jar_id=UUID(int=jar))
    assert refusal.value.code == missing


async def test_a_row_within_a_visible_one_has_to_be_visible_itself(context: Context) -> None:
    first, second = UUID(int=1), UUID(int=2)
    await MARBLES_OF_USERS.fetch_within("id", first, context, OWNED_JARS, jar_id=first)
    with pytest.raises(Refusal) as refusal:
        await MARBLES_OF_USERS.fetch_within("id", second, context, OWNED_JARS, jar_id=first)
    assert refusal.value.code == Code.RUN_NOT_FOUND


async def test_an_admin_fetches_the_rows_within_every_row(context: Context) -> None:
    admin, second = as_admin(context.database), UUID(int=2)
    assert await MARBLES.fetch_within("colour", second, admin, OWNED_JARS, jar_id=second) == {"colour": "red"}
    with pytest.raises(Refusal) as refusal:
        await MARBLES.fetch_within("colour", second, admin, OWNED_JARS, jar_id=UUID(int=77))
    assert refusal.value.code == Code.SESSION_NOT_FOUND


async def test_a_row_within_another_is_read_with_the_version_of_that(context: Context) -> None:
    first, second, wanted = UUID(int=1), UUID(int=2), WantedVersion(UUID(int=1))
    admin = replace(as_admin(context.database), wanted=wanted)
    row = await MARBLES_OF_USERS.fetch_within("id", second, admin, OWNED_JARS, jar_id=first)
    assert (row, wanted.is_read) == ({"id": second}, True)


async def test_only_ids_of_visible_rows_exist(context: Context) -> None:
    assert await JARS.existing([UUID(int=1), UUID(int=2), UUID(int=77)], context) == [UUID(int=1)]


async def test_a_page_has_the_total_and_whether_more_follows(context: Context) -> None:
    assert await labels(context, KeysetWindow(limit=2)) == (["5", "4"], 5, True)


async def test_a_page_and_its_total_take_one_statement(context: Context) -> None:
    sent = await logged_statements(context.database)
    await labels(context, KeysetWindow(limit=2), Filters(marbles=1))
    assert len(sent) == 1


async def test_a_page_behind_the_last_item_has_the_total(context: Context) -> None:
    assert await labels(context, KeysetWindow(skip=5)) == ([], 5, False)


async def test_a_page_starts_after_an_item(context: Context) -> None:
    assert await labels(context, KeysetWindow(limit=2, after=UUID(int=3))) == (["2", "1"], 5, False)


async def test_a_page_ends_before_an_item(context: Context) -> None:
    assert await labels(context, KeysetWindow(limit=2, before=UUID(int=2))) == (["4", "3"], 5, True)


async def test_filters_select_matching_rows(context: Context) -> None:
    assert await labels(context, KeysetWindow(skip=1), Filters(marbles=1)) == (["3", "1"], 3, False)


async def test_an_unknown_cursor_is_refused_with_the_code_of_the_table(context: Context) -> None:
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await labels(context, KeysetWindow(after=UUID(int=77)))


@pytest.mark.parametrize(("cursor", "owner"), [(2, UUID(int=2)), (77, None)])
async def test_only_the_refusal_of_another_users_cursor_has_its_owner(
    context: Context, cursor: int, owner: UUID | None
) -> None:
    owned = Listing(OWNED_JARS, "id, label, marbles", JarView.model_validate)
    with pytest.raises(Refusal, match="There is no item") as refusal:
        await owned.page(KeysetWindow(after=UUID(int=cursor)), context, Filters())
    assert refusal.value.owner == owner


def test_conditions_are_numbered_in_order() -> None:
    filters = Filters(a=1, omitted=None) & Filters(b=2)
    assert (filters.where, filters.values) == ("a = $1 AND b = $2", [1, 2])


def test_no_condition_selects_all_rows() -> None:
    assert Filters(omitted=None).where == "true"


async def test_rows_are_counted_up_to_a_maximum(context: Context) -> None:
    bounded = Listing(ALL_JARS, "id, label, marbles", JarView.model_validate, max_total=3)
    page = await bounded.page(KeysetWindow(limit=1), context, Filters())
    assert (page.total, page.more) == (3, True)

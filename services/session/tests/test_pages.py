"""Pages of long lists, in both directions."""

from typing import Any

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import SESSION
from contracts.session.approval import ListApprovals
from contracts.session.conversation import ListMessages, ListToolCalls
from contracts.session.run import ListRuns
from contracts.session.session import ListSessions
from contracts.session.template import ListTemplates
from eventing.testing.harness import owned
from onebox.testing.cases import every_case
from onebox.testing.databases import Databases
from runtime.clock import new_id

from services.session.tests.desk import OWNER, STRANGER, Desk

LISTS: list[tuple[Any, dict[str, Any], Code]] = [
    (ListSessions, {}, Code.SESSION_NOT_FOUND),
    (ListApprovals, {}, Code.APPROVAL_NOT_FOUND),
    (ListTemplates, {}, Code.TEMPLATE_NOT_FOUND),
    (ListRuns, {"session_id": SESSION}, Code.RUN_NOT_FOUND),
    (ListMessages, {"session_id": SESSION}, Code.MESSAGE_NOT_FOUND),
    (ListToolCalls, {"session_id": SESSION}, Code.TOOL_CALL_NOT_FOUND),
]


@every_case("direction", ["after", "before"])
@every_case(("kind", "fields", "code"), LISTS)
async def test_an_unknown_cursor_is_refused(
    desk_after_run: Desk, kind: Any, fields: dict[str, Any], code: Code, direction: str
) -> None:
    with pytest.raises(Refusal, match=code):
        await desk_after_run.ask(kind.model_validate({**fields, direction: new_id()}))


async def test_a_cursor_of_another_user_is_refused(desk: Desk) -> None:
    theirs = await desk.create("theirs", STRANGER)
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk.ask(ListSessions(after=theirs))


async def test_a_cursor_whose_item_no_longer_matches_the_filter_is_valid(desk: Desk) -> None:
    older, busy = await desk.create("older"), await desk.create("busy")
    await desk.submit(busy)
    page = await desk.ask(ListSessions(status="created", after=busy))
    assert [session.id for session in page.items] == [older]


async def test_a_page_before_a_cursor_holds_the_nearest_items_in_order(desk: Desk) -> None:
    one, two, three, four = [await desk.create(name) for name in ("one", "two", "three", "four")]
    page = await desk.ask(ListSessions(before=one, limit=2))
    assert ([session.id for session in page.items], page.more) == ([three, two], True)
    page = await desk.ask(ListSessions(before=three, limit=2))
    assert ([session.id for session in page.items], page.more) == ([four], False)


async def test_a_page_reports_whether_there_is_more(desk: Desk) -> None:
    ids = [await desk.create(name) for name in ("one", "two", "three")]
    assert (await desk.ask(ListSessions(after=ids[2], limit=1))).more
    assert not (await desk.ask(ListSessions(after=ids[2], limit=2))).more


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_messages_are_listed_in_both_directions(desk: Desk, order: Any) -> None:
    session_id = await desk.create()
    for _ in range(2):
        await desk.submit(session_id, "interrupt")
    first, second = (await desk.ask(ListMessages(session_id=session_id, order=order))).items
    following = await desk.ask(ListMessages(session_id=session_id, order=order, after=first.id))
    preceding = await desk.ask(ListMessages(session_id=session_id, order=order, before=second.id))
    assert (following.items, preceding.items) == ([second], [first])


async def test_a_page_of_few_is_not_searched_in_the_newer_sessions_of_others(desk: Desk, databases: Databases) -> None:
    for count, user, first in ((50, OWNER, "01"), (2000, STRANGER, "02")):
        await desk.database.execute(
            "INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at) "
            "SELECT ($3 || lpad(to_hex(n), 30, '0'))::uuid, $2, 'one', 'interactive', 'active', '{}', now(), now() "
            "FROM generate_series(1, $1::int) AS n",
            count, user.user_id, first,
        )  # fmt: skip
    async with owned(databases, desk.database) as owner:
        await owner.execute("ANALYZE sessions")
    async with desk.database.transaction() as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute("PREPARE page AS SELECT FROM sessions WHERE user_id = $1 ORDER BY id DESC LIMIT 51")
        plan = await connection.fetch(f"EXPLAIN EXECUTE page('{OWNER.user_id}')")
    assert "sessions_of_user" in str(plan)

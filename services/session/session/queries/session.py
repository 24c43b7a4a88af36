"""What is answered about sessions."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from uuid import UUID

from contracts.messages import Page
from contracts.refusals import Code
from contracts.session.queries import (
    CheckSession,
    CountSessions,
    FindSessions,
    GetSession,
    ListSessions,
    SessionSummary,
    SessionView,
)
from eventing.database import Row
from eventing.handling import Handlers
from runtime.health import Health

from session.queries.filters import Filters
from session.queries.paging import Listing
from session.queries.visible import Context, owner, visible

DERIVED = {"working_directory_path", "is_fork"}
SUMMARY = ", ".join(name for name in SessionSummary.model_fields if name not in DERIVED)

LISTING = Listing(SUMMARY, "sessions", Code.SESSION_NOT_FOUND)

answers = Handlers()


@answers
async def get_session(query: GetSession, context: Context) -> SessionView:
    """Give one session."""
    return SessionView.model_validate(_shown(await visible(query.session_id, context)))


@answers
async def list_sessions(query: ListSessions, context: Context) -> Page[SessionSummary]:
    """Give the actor's sessions, an admin all, newest first."""
    filters = Filters(user_id=owner(context), status=query.status, mode=query.mode)
    total = await context.database.fetchval(
        f"SELECT coalesce(sum(n), 0)::bigint FROM session_counts WHERE {filters.where}", *filters.values
    )
    rows, more = await LISTING.page(query, Filters(user_id=owner(context)), filters, context)
    return Page(items=[SessionSummary.model_validate(_shown(row)) for row in rows], total=total, more=more)


@answers
async def count_sessions(_query: CountSessions, context: Context) -> dict[str, int]:
    """Give how many sessions are in each status."""
    rows = await context.database.fetch("SELECT status, sum(n)::bigint AS n FROM session_totals GROUP BY status")
    return {row["status"]: row["n"] for row in rows}


@answers
async def find_sessions(query: FindSessions, context: Context) -> list[UUID]:
    """Return those of the ids that are sessions which the actor may see."""
    filters = Filters(user_id=owner(context))
    filters.add("id = ANY({})", query.session_ids)
    rows = await context.database.fetch(f"SELECT id FROM sessions WHERE {filters.where}", *filters.values)
    return [row["id"] for row in rows]


@answers
async def check_session(_query: CheckSession, context: Context) -> dict[str, str]:
    """Return what this service depends on, and how that is."""
    return await Health({"database": context.database.check}).report()


def _shown(row: Row) -> Row:
    # The path names the session's place among the workspaces; it is no path of the host.
    path = f"/workspaces/{row['id']}"
    return {**row, "working_directory_path": path, "is_fork": row["parent_session_id"] is not None}

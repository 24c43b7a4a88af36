"""What is answered about sessions."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from typing import Any

from contracts.messages import Page
from contracts.session.queries import CountSessions, GetSession, ListSessions, SessionView
from eventing.database import Row
from eventing.handling import Handlers

from session.queries.shown import LISTED_OPTIONS, shown
from session.queries.visible import Context, visible

DERIVED = {"working_directory_path", "is_fork"}
LISTED = ", ".join(
    [
        *(name for name in SessionView.model_fields if name not in DERIVED | {"sdk_options", "metadata"}),
        *(LISTED_OPTIONS, shown("metadata", "json")),
    ]
)

answers = Handlers()


@answers
async def get_session(query: GetSession, context: Context) -> SessionView:
    """Give one session."""
    return _session(await visible(query.session_id, context))


@answers
async def list_sessions(query: ListSessions, context: Context) -> Page[SessionView]:
    """Give the actor's sessions, an admin all, newest first."""
    wanted: dict[str, Any] = {"status": query.status, "mode": query.mode}
    if context.actor.role != "admin":
        wanted["user_id"] = context.actor.user_id
    filters = {column: value for column, value in wanted.items() if value is not None}
    where = [f"{column} = ${n}" for n, column in enumerate(filters, start=1)] or ["true"]
    values = list(filters.values())
    total = await context.database.fetchval(
        f"SELECT coalesce(sum(n), 0)::bigint FROM session_counts WHERE {' AND '.join(where)}", *values
    )
    if query.after:
        values.append(query.after)
        where.append(f"id < ${len(values)}")
    rows = await context.database.fetch(
        f"SELECT {LISTED} FROM sessions WHERE {' AND '.join(where)} "
        f"ORDER BY id DESC LIMIT {query.limit:d} OFFSET {query.skip:d}",
        *values,
    )
    return Page(items=[_session(row) for row in rows], total=total)


@answers
async def count_sessions(_query: CountSessions, context: Context) -> dict[str, int]:
    """Give how many sessions are in each status."""
    rows = await context.database.fetch("SELECT status, sum(n)::bigint AS n FROM session_counts GROUP BY status")
    return {row["status"]: row["n"] for row in rows}


def _session(row: Row) -> SessionView:
    """The path names the session's place among the workspaces; it is no path of the host."""
    parent = row["parent_session_id"]
    return SessionView.model_validate(
        {**row, "working_directory_path": f"/workspaces/{row['id']}", "is_fork": parent is not None}
    )

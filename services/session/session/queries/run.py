"""What is answered about runs."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from typing import Any

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.queries import GetRun, GetRunSummary, ListRuns, RunSummary, RunView
from eventing.database import Row
from eventing.handling import Handlers

from session.queries.filters import Filters
from session.queries.paging import Listing
from session.queries.shown import PREVIEW, TOOL_USE
from session.queries.visible import Context, visible

MOST_SHOWN = 400
"""Tool calls that a run shows; all are in the list of tool calls."""
LAST_MESSAGE = """(
    SELECT id FROM messages WHERE session_id = r.session_id AND run_id = r.id AND message_type = 'assistant'
    AND parent_tool_call_id IS NULL ORDER BY sequence_number DESC LIMIT 1)"""
USAGE = ("duration_ms", "input_tokens", "output_tokens", "cost_usd")
RUN = "r.id, r.session_id, r.status, r.attempt, r.error_code, r.error_detail, r.created_at, r.ended_at, " + ", ".join(
    f"r.{name}" for name in USAGE
)

SUMMARY = f"{RUN}, left(r.message, {PREVIEW}) AS message"

LISTING = Listing(SUMMARY, "runs r", Code.RUN_NOT_FOUND)

answers = Handlers()


@answers
async def get_run(query: GetRun, context: Context) -> RunView:
    """Give one run, with its first tool calls."""
    await visible(query.session_id, context)
    row = await context.database.fetchrow(
        f"SELECT {RUN}, r.message, r.structured_output, coalesce(m.id, {LAST_MESSAGE}) AS message_id, "
        "coalesce(m.content ->> 'content', '') AS text FROM runs r "
        "LEFT JOIN messages m ON m.session_id = r.session_id AND m.sequence_number = r.answer "
        "WHERE r.id = $1 AND r.session_id = $2",
        query.run_id,
        query.session_id,
    )
    if row is None:
        raise _missing(query)
    calls = await context.database.fetch(
        f"SELECT {TOOL_USE} FROM tool_calls WHERE run_id = $1 ORDER BY id LIMIT $2", query.run_id, MOST_SHOWN + 1
    )
    shown, more = [dict(call) for call in calls[:MOST_SHOWN]], len(calls) > MOST_SHOWN
    return RunView.model_validate({**_run(row), "tool_calls": shown, "more_tool_calls": more})


@answers
async def get_run_summary(query: GetRunSummary, context: Context) -> RunSummary:
    """Give how far one run is."""
    await visible(query.session_id, context)
    row = await context.database.fetchrow(
        f"SELECT {SUMMARY} FROM runs r WHERE id = $1 AND session_id = $2", query.run_id, query.session_id
    )
    if row is None:
        raise _missing(query)
    return RunSummary.model_validate(_run(row))


@answers
async def list_runs(query: ListRuns, context: Context) -> Page[RunSummary]:
    """Give a session's runs, newest first."""
    await visible(query.session_id, context)
    filters = Filters(session_id=query.session_id, status=query.status)
    total = await context.database.fetchval(f"SELECT count(*) FROM runs WHERE {filters.where}", *filters.values)
    rows, more = await LISTING.page(query, Filters(session_id=query.session_id), filters, context)
    return Page(items=[RunSummary.model_validate(_run(row)) for row in rows], total=total, more=more)


def _missing(query: GetRun | GetRunSummary) -> Refusal:
    return Refusal(Code.RUN_NOT_FOUND, f"There is no run {query.run_id} in session {query.session_id}.")


def _run(row: Row) -> dict[str, Any]:
    usage = {name: row[name] for name in USAGE}
    return {**{name: value for name, value in row.items() if name not in usage}, "usage": usage}

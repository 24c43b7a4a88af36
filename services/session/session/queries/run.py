"""Handlers of queries about runs."""

import json
from typing import Any

from contracts.messages import Page
from contracts.refusals import Code
from contracts.session.run import GetRun, GetRunSummary, ListRuns
from contracts.session.run_view import RunSummary, RunView
from contracts.wire import MAX_INLINE_BYTES
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing, Table, visible_written_row

from session.dependencies import Context
from session.queries.previews import TOOL_INPUT, TOOL_USE
from session.queries.tables import RUNS, SESSIONS, TOOL_CALLS, visible
from session.run_row import REQUESTED, RUN, STARTED, SUMMARY, USAGE

MAX_TOOL_CALLS_SHOWN = 400
"""The number of tool calls in the view of a run; the list of tool calls has all."""

ANSWERED_RUNS = Table(
    "shown_runs r LEFT JOIN LATERAL (SELECT m.id AS answer_id, m.content AS answer FROM messages m "
    "WHERE m.session_id = r.session_id AND m.sequence_number = r.answer) a ON true",
    Code.RUN_NOT_FOUND,
    readable=None,
)
LAST_MESSAGE = """(
    SELECT m.id FROM messages m WHERE m.session_id = r.session_id AND m.run_id = r.id AND m.message_type = 'assistant'
    AND m.parent_tool_call_id IS NULL ORDER BY m.sequence_number DESC LIMIT 1)"""
PROMPT = """(
    SELECT m.id FROM messages m WHERE m.session_id = r.session_id AND m.run_id = r.id AND m.message_type = 'user'
    ORDER BY m.sequence_number LIMIT 1)"""
WHOLE = (
    f"{RUN}, message, structured_output, {PROMPT} AS prompt_message_id, "
    f"coalesce(a.answer_id, {LAST_MESSAGE}) AS message_id, "
    "coalesce(a.answer ->> 'content', '') AS text"
)


def _summary(row: Row) -> RunSummary:
    servers = row["mcp_servers"]
    if len(json.dumps(servers)) > MAX_INLINE_BYTES:
        servers = [server | {"detail": "", "withheld": []} for server in servers]
    return RunSummary.model_validate(_with_usage(row) | {"mcp_servers": servers})


def _with_usage(row: Row) -> dict[str, Any]:
    usage = {name: row[name] for name in USAGE}
    return {**{name: value for name, value in row.items() if name not in usage}, "usage": usage}


LISTING = Listing(RUNS, SUMMARY, _summary)

answers = Handlers()


@answers
async def get_run(query: GetRun, context: Context) -> RunView:
    """Return a run, with its first tool calls."""
    id, within = query.run_id, {"session_id": query.session_id}
    row = visible_written_row("runs", REQUESTED, id, context, **within)
    row = row or await ANSWERED_RUNS.fetch_within(WHOLE, id, context, SESSIONS, **within)
    calls, more = list[Row](), False
    if row["attempt"]:  # a run that was not started has none, which saves the answer to its query a statement
        of_run = Filters(**within, run_id=id)
        calls, more = await TOOL_CALLS.first(TOOL_USE, MAX_TOOL_CALLS_SHOWN, of_run, context)
    return RunView.model_validate(
        {**_with_usage(row), "tool_calls": [TOOL_INPUT.shown(call) for call in calls], "more_tool_calls": more}
    )


@answers
async def get_run_summary(query: GetRunSummary, context: Context) -> RunSummary:
    """Return the state of a run."""
    id, within = query.run_id, {"session_id": query.session_id}
    row = visible_written_row("runs", STARTED, id, context, **within)
    return _summary(row or await RUNS.fetch_within(SUMMARY, id, context, SESSIONS, **within))


@answers
async def list_runs(query: ListRuns, context: Context) -> Page[RunSummary]:
    """Return a session's runs, newest first."""
    await visible(query.session_id, context)
    within = Filters(session_id=query.session_id)
    return await LISTING.page(query, context, Filters(status=query.status), within=within)

"""Handlers of queries about sessions as a whole."""

from uuid import UUID

from contracts.messages import Page
from contracts.session.session import CheckOptions, CountSessions, FindSessions, GetSession, ListSessions
from contracts.session.session_view import SessionSummary, SessionView
from contracts.session.values import SdkOptions
from eventing.database import Row
from eventing.database.counters import Counters
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing

from session.ceilings.options import check_options, effective_options
from session.dependencies import Context
from session.queries.tables import SESSIONS, TEMPLATES
from session.quotas.accounts import assumed_role
from session.session_row import WHOLE

SESSIONS_BY_STATUS = Counters("session_totals", "status")
DERIVED = {"working_directory_path", "is_fork"}
SUMMARY = ", ".join(name for name in SessionSummary.model_fields if name not in DERIVED)


def _summary(row: Row) -> SessionSummary:
    return SessionSummary.model_validate(_with_derived(row))


def _with_derived(row: Row) -> Row:
    # A path for clients, relative to the API; it is not a path of the host.
    path = f"/workspaces/{row['id']}"
    return {**row, "working_directory_path": path, "is_fork": row["parent_session_id"] is not None}


LISTING = Listing(SESSIONS, SUMMARY, _summary, counters="session_counts")
SEARCH = Listing(SESSIONS, SUMMARY, _summary)
"""The same list with filters that no counter knows."""

answers = Handlers()


@answers
async def get_session(query: GetSession, context: Context) -> SessionView:
    """Return a session, with what is in force for its next run."""
    row = _with_derived(await SESSIONS.fetch(WHOLE, query.session_id, context))
    role = row.pop("owner_role") or assumed_role(row["user_id"], context.actor)
    options, ceilings = SdkOptions.model_validate(row["sdk_options"]), context.dependencies.ceilings
    effective = effective_options(options, row["mode"], role, ceilings)
    return SessionView.model_validate(row | {"sdk_options": options, "effective_options": effective})


@answers
async def list_sessions(query: ListSessions, context: Context) -> Page[SessionSummary]:
    """Return the actor's sessions (for an admin, all sessions), newest first."""
    filters = Filters(status=query.status, mode=query.mode, user_id=query.user_id)
    if query.q is None and not query.metadata:
        return await LISTING.page(query, context, filters, total=await _total_of_all(query, context))
    filters.add("strpos(lower(name), lower({})) > 0", query.q)
    for item in query.metadata.items():
        filters.add("metadata ->> ({0}::text[])[1] = ({0}::text[])[2]", item)
    return await SEARCH.page(query, context, filters)


@answers
async def count_sessions(_query: CountSessions, context: Context) -> dict[str, int]:
    """Return the number of sessions by status."""
    return await SESSIONS_BY_STATUS.all(context.database)


@answers
async def find_sessions(query: FindSessions, context: Context) -> list[UUID]:
    """Return the ids that belong to sessions which the actor may see."""
    return await SESSIONS.existing(query.session_ids, context)


@answers
async def check_session_options(query: CheckOptions, context: Context) -> None:
    """Check options, and the template that they override, as at the creation of a session."""
    options = query.sdk_options
    if query.template_id:
        template = await TEMPLATES.fetch("sdk_options", query.template_id, context)
        options = SdkOptions.model_validate(template["sdk_options"]).overridden_by(options)
    check_options(options, context.actor.role, context.dependencies.ceilings)


async def _total_of_all(query: ListSessions, context: Context) -> int | None:
    """Return the number of sessions if it is that of all users: `session_counts` has rows for each of them."""
    is_part = query.user_id or query.mode
    if is_part or context.actor.role != "admin":
        return None
    by_status = await SESSIONS_BY_STATUS.all(context.database)
    return by_status.get(query.status, 0) if query.status else sum(by_status.values())

"""Tools for sessions."""

from typing import Annotated
from uuid import UUID

from contracts.session.session import GetSession, ListSessions
from pydantic import Field, StrictBool

from gateway.mcp_server.call import Call
from gateway.mcp_server.pages import DEFAULT_LIMIT, Items, Limit
from gateway.mcp_server.tool import CREATES, READS, RUNS_AGENT, Tools
from gateway.schemas.base import RequestBody
from gateway.schemas.run import Metrics, NewQuery, Run
from gateway.schemas.session import NewSession, Session, SessionListed, SessionWindow
from gateway.waiting.runs import check_completed, has_ended

tools = Tools()


class SessionsToList(SessionWindow, RequestBody):
    """Arguments of `list_sessions`."""

    limit: Limit = DEFAULT_LIMIT
    metadata: Annotated[
        dict[str, str], Field(max_length=10, description="Return only sessions whose metadata has these values.")
    ] = {}


class SessionId(RequestBody):
    """Arguments of tools for one session."""

    session_id: Annotated[UUID, Field(description="Id of the session.")]


class QueryToSend(NewQuery):
    """Arguments of `query_session`."""

    session_id: Annotated[UUID, Field(description="Id of the session.")]
    wait: Annotated[
        StrictBool, Field(description="Whether to wait for the answer. If not, read it later with `get_run`.")
    ] = True


@tools.add(CREATES, nests=True)
async def create_session(arguments: NewSession, call: Call) -> Session:
    """Create a session: an agent with a workspace and a conversation of its own. It starts with the first query."""
    return Session.of(await call.caller.ask(arguments.command(depth=call.depth)))


@tools.add(READS)
async def list_sessions(arguments: SessionsToList, call: Call) -> Items[SessionListed]:
    """List your sessions, newest first, without options and metadata."""
    page = await call.caller.ask(ListSessions(**arguments.model_dump()))
    return Items[SessionListed].over(page, list(map(SessionListed.of, page.items)), arguments)


@tools.add(READS)
async def get_session(arguments: SessionId, call: Call) -> Session:
    """Get a session with its status, its options and its usage so far."""
    return Session.of(await call.caller.ask(GetSession(session_id=arguments.session_id)))


@tools.add(RUNS_AGENT, nests=True)
async def query_session(arguments: QueryToSend, call: Call) -> Run:
    """Send a message to the agent of a session, and return the run with the agent's answer in `text`.

    If the wait is too long, the run is returned as it is, and continues: read it with `get_run`. It also continues if
    you disconnect; end it with `cancel_run`. A session that is busy refuses the message unless `on_busy` is set.
    """
    command, runs = arguments.command(arguments.session_id, call.depth), call.gateway.runs
    if arguments.wait:
        run = await runs.until_ended(command, call.caller, call.disconnected)
    else:
        run = await runs.start(command, call.caller)
    if has_ended(run):
        check_completed(run)
    return Run.of(run, usage=Metrics.of(run.usage))

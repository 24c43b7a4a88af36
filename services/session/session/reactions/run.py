"""Runs agents, and ends them with their runs."""

from asyncio import get_running_loop
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.release import RunContinued
from contracts.session.run import EndRun, RunRequested, StartRun
from contracts.session.run_view import RunSummary
from contracts.session.session import GetSession
from contracts.session.values import Usage
from eventing.reactions import Reaction, Reactions, TakenOver, UnfinishedWork
from eventing.recording import Recorded
from eventing.retrying import retry_transient, wait_until_available
from prometheus_client import Histogram
from runtime import clock
from runtime.logging import get_logger
from runtime.metrics import metrics_of

from session.agent import AgentSpec, Finished, ToolReturned
from session.agent.places import Place
from session.agent.tool_spans import ToolSpans
from session.dependencies import Dependencies
from session.mcp.repeats import Repeats
from session.quotas.spending import Spending
from session.reactions.approval import ApprovalRequests
from session.reactions.beginning import agent_spec, refusal_to_begin
from session.reactions.cancellation import Cancellation
from session.reactions.deadline import Deadline
from session.reactions.ending import OVER_CODES, end, end_early, end_finished, release_command, usage_of
from session.reactions.limits import TIMED_OUT, LimitReached, ended_earlier
from session.reactions.recording import Requested, record
from session.reactions.resuming import (
    Recovered,
    describe_uncertain,
    end_recovered,
    is_lost,
    prompt_of,
    recover,
    recover_lost,
)
from session.reactions.session import measure_storage, remove_session_data
from session.reactions.space import Space
from session.reactions.working_time import WorkingTime

log = get_logger()

ACTIVE_STATUSES = frozenset({"running", "waiting_approval"})
UNFINISHED = "SELECT session_id AS aggregate, id AS work FROM runs WHERE requested_at IS NOT NULL AND ended_at IS NULL"
# A run whose agent was released is not found by its first request any more.
UNFINISHED_AT_FIRST = f"{UNFINISHED} AND continuation IS NULL"
UNFINISHED_LATER = f"{UNFINISHED} AND continuation = 'requested'"

reactions = Reactions()

_wait = Histogram(
    "run_wait_seconds",
    "How long runs whose turn had come have waited for a worker",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
    registry=metrics_of("session"),
)


def _run_id(recorded: Requested) -> UUID:
    return recorded.event.run_id


def _slots(dependencies: Dependencies) -> int:
    return dependencies.places.number


def _more_slots(dependencies: Dependencies) -> int:
    """Return the number of released runs that continue at the same time, even if all places are taken."""
    return dependencies.places.continuing


async def end_lost_run(recorded: Requested, reaction: Reaction[Dependencies]) -> None:
    """End a run whose event is about to be dead-lettered, after all attempts have failed."""
    detail = "The service could not complete the run."
    lost = EndRun(
        session_id=recorded.id,
        run_id=recorded.event.run_id,
        error_code=Code.RUN_INTERRUPTED,
        error_detail=detail,
    )
    try:
        await end(lost, reaction)
    except Refusal as refusal:
        if refusal.code not in OVER_CODES:
            raise


async def _has_warm_agent(dependencies: Dependencies, session_id: UUID) -> bool:
    return await dependencies.agents.has_warm(session_id)


@reactions.shared(
    "run_agent",
    concurrency=_slots,
    on_dead_letter=end_lost_run,
    unfinished=UnfinishedWork(UNFINISHED_AT_FIRST, _run_id),
    prefers=_has_warm_agent,
)
async def run_agent(recorded: Recorded[RunRequested], reaction: Reaction[Dependencies]) -> None:
    """Run the agent for a requested run, and record its events as they arrive.

    Raises:
        TakenOver: another worker has the run.
        Exception: events could not be stored; the next worker finds a started run, and ends it as interrupted.
    """
    await _work_on(recorded, reaction)


@reactions.shared(
    "continue_run",
    concurrency=_more_slots,
    on_dead_letter=end_lost_run,
    unfinished=UnfinishedWork(UNFINISHED_LATER, _run_id),
)
async def continue_run(recorded: Recorded[RunContinued], reaction: Reaction[Dependencies]) -> None:
    """Continue a run that was released, once it waits for no approvals. Raises as `run_agent` does."""
    await _work_on(recorded, reaction)


async def _work_on(recorded: Requested, reaction: Reaction[Dependencies]) -> None:
    try:
        continues = isinstance(recorded.event, RunContinued)
        async with reaction.dependencies.places.take(recorded.owner, continues=continues) as place:
            files_changed = await _run(recorded, reaction, place)
    except Refusal as refusal:
        if refusal.code is Code.RUN_TAKEN:
            raise TakenOver from refusal
        if refusal.code not in OVER_CODES:
            raise
        # The run or the session was ended by a user or another worker, and its agent with it.
        log.info("run ended before its worker", run_id=str(recorded.event.run_id), code=refusal.code)
        if refusal.code is Code.SESSION_NOT_FOUND:
            await remove_session_data(recorded.id, reaction.dependencies)
            return
        files_changed = True
    if files_changed:
        await measure_storage(recorded.id, reaction.dependencies)


async def _run(recorded: Requested, reaction: Reaction[Dependencies], place: Place) -> bool:
    """Run the agent, and another one if it dies; return whether files may have changed since they were measured."""
    died = False
    while (files_changed := await _attempt(recorded, reaction, place, died=died)) is None:
        log.warning("the agent died, and the run goes on", run_id=str(recorded.event.run_id))
        died = True
    return files_changed


async def _attempt(recorded: Requested, reaction: Reaction[Dependencies], place: Place, *, died: bool) -> bool | None:
    """Run the agent once, and return as `_run` does; None if it died, as the one before may have, and may go on."""
    run = await reaction.send(StartRun(session_id=recorded.id, run_id=recorded.event.run_id, died=died))
    if run.attempt == 1:
        _wait.observe(max(0.0, (clock.now() - recorded.at).total_seconds()))
    if run.status not in ACTIVE_STATUSES:
        return True
    log.info("run started", attempt=run.attempt)
    earlier = await ended_earlier(run, reaction.dependencies.transcripts.database)
    session = await reaction.ask(GetSession(session_id=run.session_id))
    accounts = reaction.dependencies.accounts
    standing = await retry_transient(partial(accounts.standing, recorded.owner, run.session_id, recorded.envelope))
    refusal = await refusal_to_begin(run, recorded, standing, reaction)
    ends = refusal is not None or earlier.timed_out(session.effective_options.timeout_seconds)
    recovered = None if run.attempt == 1 else await recover(run, reaction, ends=ends)
    if recovered and await end_recovered(run, session, recovered, reaction, ends=ends):
        return True
    if refusal:
        await end_early(run, refusal.code, refusal.detail, reaction)
        return run.attempt > 1
    if recovered and recovered.waits and not ends:
        await end(release_command(run, Usage()), reaction)
        return True
    spending = reaction.dependencies.spending(recorded, run.id, run.attempt)
    repeats = Repeats(recovered.settled.uncertain if recovered else ())
    try:
        spec = await agent_spec(run, session, recorded, standing.role, earlier, reaction)
    except LimitReached as reached:
        await reaction.dependencies.agents.close(run.session_id)
        await end_early(run, reached.code, reached.detail, reaction)
        return run.attempt > 1
    spec = replace(spec, spending=spending, place=place, repeats=repeats)
    return await _run_agent(spec, run, recorded, reaction, spending, recovered)


async def _run_agent(
    spec: AgentSpec,
    run: RunSummary,
    recorded: Requested,
    reaction: Reaction[Dependencies],
    spending: Spending,
    recovered: Recovered | None,
) -> bool | None:
    """Run the agent with `spec`, after the one whose work is `recovered`. Return as `_attempt` does."""
    agents, place, begun = reaction.dependencies.agents, spec.place, get_running_loop().time()
    seconds = spec.options.timeout_seconds
    cancellation = Cancellation(lambda: agents.close(run.session_id, run.id, run.attempt))
    deadline = Deadline(seconds, cancellation.request, spec.worked_ms)
    approvals = ApprovalRequests(reaction, run, deadline, cancellation, place, spec.repeats)
    space = Space(reaction.dependencies.files(run.session_id), reaction.dependencies.measuring, cancellation.request)
    async with cancellation, space, WorkingTime(deadline, spending):
        with deadline:
            finished = await _take_turn(spec, recorded, approvals, recovered)
    await spending.settle(finished.cost_usd)
    if cancellation.refusal and cancellation.refusal.code not in OVER_CODES:
        raise cancellation.refusal
    if place.released:
        finished = replace(finished, duration_ms=int((get_running_loop().time() - begun) * 1000))
        await end(release_command(run, usage_of(finished), place.released), reaction)
        return approvals.tools_used or run.attempt > 1
    if is_lost(finished, cancellation):
        lost = await recover_lost(run, finished, reaction, ends=cancellation.requested)
        if lost.settled.outlook != "ends" and not cancellation.requested:
            return None
        finished = replace(finished, error_code=Code.RUN_INTERRUPTED, error_detail=describe_uncertain(lost))
    if deadline.expired:
        finished = replace(finished, error_code=Code.RUN_TIMEOUT, error_detail=TIMED_OUT.format(seconds))
    # Files are removed only once the end of the run can be stored: otherwise the run would go on without them.
    storable = partial(wait_until_available, reaction.router.dispatcher.database)
    finished = await space.settle(finished, storable, changed=approvals.tools_used)
    await end_finished(run, finished, reaction)
    return approvals.tools_used or run.attempt > 1


async def _take_turn(
    spec: AgentSpec, recorded: Requested, approvals: ApprovalRequests, recovered: Recovered | None
) -> Finished:
    prompt, message_id = await prompt_of(recorded, approvals, recovered)
    agents = approvals.reaction.dependencies.agents
    turn = agents.turn(spec, prompt, approvals.request, message_id, approvals.elicit)
    with ToolSpans() as calls:
        async with aclosing(turn) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event
                calls.note(event)
                # A worker that has lost its run cancels its agent, which then only reports its usage. One whose agent
                # is ended because of its time or space still has the run, to which all belongs that was done until
                # then; calls that fail by this are interrupted as the run ends.
                interrupted = approvals.cancellation.requested and isinstance(event, ToolReturned) and event.is_error
                if not (approvals.cancellation.refusal or interrupted):
                    await record(recorded, event, approvals)
    raise AssertionError("a turn ends with a Finished event")

"""Runs agents, and ends them with their runs."""

from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.conversation import RecordMessage, RecordToolResult
from contracts.session.mcp import RecordMcpServers
from contracts.session.run import EndRun, RecordRunUsage, RunCancelled, RunFailed, RunRequested, RunSummary, StartRun
from contracts.session.session import GetSession, SessionView
from contracts.session.values import SdkOptions, Usage
from eventing.reactions import Reaction, Reactions, TakenOver, UnfinishedWork
from eventing.recording import Recorded
from eventing.retrying import retry_transient
from runtime.clock import new_id
from runtime.logging import get_logger

from session.agent import AgentSpec, AssistantMessage, Delta, Finished, ServersConnected, ToolReturned
from session.aggregate.queue import BUDGET_REACHED
from session.dependencies import Dependencies
from session.reactions.approval import ApprovalRequests
from session.reactions.cancellation import Cancellation
from session.reactions.deadline import Deadline
from session.reactions.mcp import resolved_servers
from session.reactions.session import measure_storage, remove_session_data
from session.workspace import StorageFailed, convert_storage_errors

log = get_logger()

ACTIVE_STATUSES = frozenset({"running", "waiting_approval"})
OVER_CODES = frozenset({Code.RUN_OVER, Code.SESSION_NOT_FOUND})
"""Refusals that mean that nothing is left to do."""

UNFINISHED = "SELECT session_id AS aggregate, id AS work FROM runs WHERE requested_at IS NOT NULL AND ended_at IS NULL"

reactions = Reactions()


def _run_id(recorded: Recorded[RunRequested]) -> UUID:
    return recorded.event.run_id


def _slots(dependencies: Dependencies) -> int:
    return dependencies.runs_at_once


async def end_lost_run(recorded: Recorded[RunRequested], reaction: Reaction[Dependencies]) -> None:
    """End a run whose event is about to be dead-lettered, after all attempts have failed."""
    detail = "The service could not complete the run."
    lost = EndRun(
        session_id=recorded.id,
        run_id=recorded.event.run_id,
        error_code=Code.RUN_INTERRUPTED,
        error_detail=detail,
    )
    try:
        await reaction.send(lost)
    except Refusal as refusal:
        if refusal.code not in OVER_CODES:
            raise


async def _has_warm_agent(dependencies: Dependencies, session_id: UUID) -> bool:
    return await dependencies.agents.has_warm(session_id)


@reactions.shared(
    "run_agent",
    concurrency=_slots,
    on_dead_letter=end_lost_run,
    unfinished=UnfinishedWork(UNFINISHED, _run_id),
    prefers=_has_warm_agent,
)
async def run_agent(recorded: Recorded[RunRequested], reaction: Reaction[Dependencies]) -> None:
    """Run the agent for a requested run, and record its events as they arrive.

    Raises:
        TakenOver: another worker has the run.
        Exception: events could not be stored; the next worker finds a started run, and ends it as interrupted.
    """
    try:
        files_changed = await _run(recorded, reaction)
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


async def _run(recorded: Recorded[RunRequested], reaction: Reaction[Dependencies]) -> bool:
    """Run the agent, and return whether it may have changed files."""
    session_id, run_id, agents = recorded.id, recorded.event.run_id, reaction.dependencies.agents
    run = await reaction.send(StartRun(session_id=session_id, run_id=run_id))
    if run.status not in ACTIVE_STATUSES:
        return True
    if not await _may_continue(run, recorded, reaction):
        return False
    spending = reaction.dependencies.spending(recorded, run_id)
    spec = replace(await _agent_spec(run, recorded, reaction), spending=spending)
    if spec.budget_usd is not None and spec.budget_usd <= 0:
        # The budget was lowered, or the cost of the last run was reported late.
        await agents.close(session_id)
        await _end_early(run, Code.BUDGET_EXCEEDED, BUDGET_REACHED, reaction)
        return False
    seconds = spec.options.timeout_seconds
    cancellation = Cancellation(lambda: agents.close(session_id, run_id))
    deadline = Deadline(seconds, cancellation.request)
    approvals = ApprovalRequests(reaction, run, deadline, cancellation)
    async with cancellation:
        with deadline:
            finished = await _take_turn(spec, recorded, approvals)
    await spending.settle(finished.cost_usd)
    if cancellation.refusal and cancellation.refusal.code not in OVER_CODES:
        raise cancellation.refusal
    if deadline.expired:
        detail = f"The run exceeded its timeout of {seconds} s."
        finished = replace(finished, error_code=Code.RUN_TIMEOUT, error_detail=detail)
    await _end(_end_command(run, finished), reaction)
    return approvals.tools_used


async def _end(command: EndRun, reaction: Reaction[Dependencies]) -> None:
    """End a run; if its session was deleted meanwhile, record what it has used all the same.

    Raises:
        Refusal: as `EndRun` is refused.
    """
    try:
        await reaction.send(command)
    except Refusal as refusal:
        if refusal.code is Code.SESSION_NOT_FOUND and command.attempt:
            await reaction.send(
                RecordRunUsage(
                    session_id=command.session_id, run_id=command.run_id, attempt=command.attempt, usage=command.usage
                )
            )
        raise


async def _agent_spec(run: RunSummary, recorded: Recorded[RunRequested], reaction: Reaction[Dependencies]) -> AgentSpec:
    """Return how the agent of a run works.

    Its options are within the ceiling of the role that the session's owner has now, not when the options were set.
    """
    session, dependencies = await reaction.ask(GetSession(session_id=run.session_id)), reaction.dependencies
    role = await retry_transient(lambda: dependencies.accounts.role(recorded.owner, recorded.envelope))
    ceiling = dependencies.ceilings.of(role)
    options = await dependencies.environments.revealed(run.session_id, ceiling.reduced(session.sdk_options))
    return AgentSpec(
        run.session_id,
        dependencies.workspace(run.session_id),
        options,
        await resolved_servers(options.mcp_servers or [], session.depth, reaction),
        ceiling,
        run.id,
        run.attempt,
        _remaining_budget(session, options),
        recorded.owner,
    )


async def _may_continue(run: RunSummary, recorded: Recorded[RunRequested], reaction: Reaction[Dependencies]) -> bool:
    """End a run whose owner is disabled or may store no more, or whose workspace is full; return whether none holds."""
    dependencies, files = reaction.dependencies, reaction.dependencies.files(run.session_id)
    storage, writing = dependencies.storage, dependencies.writing
    try:
        if disabled := await retry_transient(lambda: dependencies.accounts.refusal(recorded.owner)):
            raise disabled
        await convert_storage_errors(writing.run(files.check_quota))
        measure = partial(writing.run, files.size)
        await retry_transient(lambda: storage.measure(run.session_id, measure, again=False))
        await retry_transient(lambda: storage.check(recorded.owner, recorded.envelope.actor))
    except (StorageFailed, Refusal) as failure:
        await _end_early(run, failure.code, failure.detail, reaction)
        return False
    return True


async def _end_early(run: RunSummary, code: Code, detail: str, reaction: Reaction[Dependencies]) -> None:
    ending = EndRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt, error_code=code, error_detail=detail)
    await reaction.send(ending)


def _remaining_budget(session: SessionView, options: SdkOptions) -> Decimal | None:
    """Return what the session may still spend with these options, or None without a budget.

    An agent counts its spending from the start of its process, so it is given the remainder.
    """
    budget = options.max_budget_usd
    return None if budget is None else Decimal(str(budget)) - session.total_cost_usd


async def _take_turn(spec: AgentSpec, recorded: Recorded[RunRequested], approvals: ApprovalRequests) -> Finished:
    prompt, message_id = recorded.event.message, recorded.event.message_id
    if approvals.run.attempt > 1:  # the previous worker's agent has received the message
        prompt, message_id = await approvals.continuation(), None
    async with aclosing(
        approvals.reaction.dependencies.agents.turn(spec, prompt, approvals.request, message_id, approvals.elicit)
    ) as events:
        async for event in events:
            if isinstance(event, Finished):
                return event
            # A worker that has lost its run cancels its agent, which then only reports its usage.
            if not approvals.cancellation.requested:
                await _record(recorded, event, approvals)
    raise AssertionError("a turn ends with a Finished event")


async def _record(
    recorded: Recorded[RunRequested],
    event: ServersConnected | AssistantMessage | ToolReturned | Delta,
    approvals: ApprovalRequests,
) -> None:
    run, reaction = approvals.run, approvals.reaction
    context: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id, "attempt": run.attempt}
    try:
        match event:
            case ServersConnected(servers):
                await reaction.send(RecordMcpServers(**context, servers=servers))
            case AssistantMessage():
                await reaction.send(
                    RecordMessage(
                        **context,
                        message_id=event.message_id or new_id(),
                        blocks=event.blocks,
                        model=event.model,
                        parent_tool_use_id=event.parent_tool_use_id,
                    )
                )
                approvals.note_recorded(event.blocks)
            case ToolReturned():
                await reaction.send(
                    RecordToolResult(
                        **context,
                        tool_use_id=event.tool_use_id,
                        output=event.output,
                        is_error=event.is_error,
                        duration_ms=event.duration_ms,
                    )
                )
            case Delta(text):
                await reaction.dependencies.deltas.publish(recorded.owner, run.session_id, run.id, text)
    except Refusal as refusal:
        approvals.cancellation.request(refusal)


def _end_command(run: RunSummary, finished: Finished) -> EndRun:
    usage = Usage(
        duration_ms=finished.duration_ms,
        input_tokens=finished.input_tokens,
        output_tokens=finished.output_tokens,
        cost_usd=finished.cost_usd,
    )
    return EndRun(
        session_id=run.session_id,
        run_id=run.id,
        attempt=run.attempt,
        usage=usage,
        error_code=finished.error_code,
        error_detail=finished.error_detail or "",
        structured_output=finished.structured_output,
    )


@reactions.broadcast("end_turn")
async def end_turn(recorded: Recorded[RunCancelled], reaction: Reaction[Dependencies]) -> None:
    """End the agent of a cancelled run, in whichever replica it runs. The next run gets another agent."""
    reaction.dependencies.agents.cancel(recorded.id, recorded.event.run_id)


@reactions.broadcast("end_late_turn")
async def end_late_turn(recorded: Recorded[RunFailed], reaction: Reaction[Dependencies]) -> None:
    """End the agent of an interrupted run, whose worker was taken for dead: the next run may have begun."""
    if recorded.event.error_code is Code.RUN_INTERRUPTED:
        reaction.dependencies.agents.cancel(recorded.id, recorded.event.run_id)

"""Runs the agent, and ends it with its run."""

from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.conversation import RecordMessage, RecordToolResult
from contracts.session.run import EndRun, RunCancelled, RunFailed, RunRequested, RunSummary, SessionPaused, StartRun
from contracts.session.session import GetSession, SessionView
from contracts.session.values import Usage
from eventing.reactions import Reaction, Reactions, TakenOver, UnfinishedWork
from eventing.recording import Recorded
from runtime.clock import new_id
from runtime.logging import get_logger

from session.agent import AgentSpec, AssistantMessage, Delta, Finished, ToolReturned
from session.aggregate.queue import NO_MONEY_LEFT
from session.dependencies import Dependencies
from session.reactions.approval import Asking
from session.reactions.cancellation import Cancellation
from session.reactions.deadline import Deadline
from session.reactions.session import forget
from session.workspace import NotStored, stored

log = get_logger()

GOING = frozenset({"running", "waiting_approval"})
OVER = frozenset({Code.RUN_OVER, Code.SESSION_NOT_FOUND})
"""What a worker is refused with when there is nothing left to do."""

UNFINISHED = "SELECT session_id AS aggregate, id AS work FROM runs WHERE requested_at IS NOT NULL AND ended_at IS NULL"

reactions = Reactions()


def _run_id(recorded: Recorded[RunRequested]) -> UUID:
    return recorded.event.run_id


def _slots(dependencies: Dependencies) -> int:
    return dependencies.runs_at_once


async def end_lost_run(recorded: Recorded[RunRequested], reaction: Reaction[Dependencies]) -> None:
    """End a run at which worker after worker failed."""
    detail = "The service could not bring the run to its end."
    lost = EndRun(
        session_id=recorded.id,
        run_id=recorded.event.run_id,
        error_code=Code.RUN_INTERRUPTED,
        error_detail=detail,
    )
    try:
        await reaction.send(lost)
    except Refusal as refusal:
        if refusal.code not in OVER:
            raise


@reactions.shared(
    "run_agent", concurrency=_slots, on_dead_letter=end_lost_run, unfinished=UnfinishedWork(UNFINISHED, _run_id)
)
async def run_agent(recorded: Recorded[RunRequested], reaction: Reaction[Dependencies]) -> None:
    """Let the session's agent answer; whatever it tells is recorded at once.

    Fails, and so is tried again, when the events cannot be stored: the next worker then finds a run that was begun, and
    ends it as interrupted.
    """
    try:
        await _run(recorded, reaction)
    except Refusal as refusal:
        if refusal.code is Code.RUN_TAKEN:
            raise TakenOver from refusal
        if refusal.code not in OVER:
            raise
        # Somebody ended the run or the session, and so its agent.
        log.info("a run was over before its worker", run_id=str(recorded.event.run_id), code=refusal.code)
        if refusal.code is Code.SESSION_NOT_FOUND:
            await forget(recorded.id, reaction.dependencies)


async def _run(recorded: Recorded[RunRequested], reaction: Reaction[Dependencies]) -> None:
    session_id, run_id, agents = recorded.id, recorded.event.run_id, reaction.dependencies.agents
    run = await reaction.send(StartRun(session_id=session_id, run_id=run_id))
    if run.status not in GOING:
        return
    if not await _has_room(run, reaction):
        return
    session = await reaction.ask(GetSession(session_id=session_id))
    money = _money_left(session)
    if money is not None and money <= 0:  # the session may spend less now, or what it had spent was told late
        await agents.close(session_id)
        await _end_early(run, Code.BUDGET_EXCEEDED, NO_MONEY_LEFT, reaction)
        return
    workspace = reaction.dependencies.workspace(session_id)
    options = await reaction.dependencies.environments.revealed(session_id, session.sdk_options)
    spec = AgentSpec(session_id, workspace, options, run_id, run.attempt, money)
    seconds = session.sdk_options.timeout_seconds
    cancellation = Cancellation(lambda: agents.close(session_id, run_id))
    deadline = Deadline(seconds, cancellation.request)
    asking = Asking(reaction, run, deadline, cancellation)
    async with cancellation:
        with deadline:
            finished = await _converse(spec, recorded, asking)
    if asking.tools_used:
        reaction.dependencies.files(session_id).changed()
    if cancellation.refusal and cancellation.refusal.code not in OVER:
        raise cancellation.refusal
    if deadline.expired:
        detail = f"The run took longer than {seconds} s."
        finished = replace(finished, error_code=Code.RUN_TIMEOUT, error_detail=detail)
    await reaction.send(_ending(run, finished))


async def _has_room(run: RunSummary, reaction: Reaction[Dependencies]) -> bool:
    """End a run whose agent would begin in a workspace that is full."""
    try:
        await stored(reaction.dependencies.writing.run(reaction.dependencies.files(run.session_id).check_room))
    except NotStored as failure:
        await _end_early(run, failure.code, failure.detail, reaction)
        return False
    return True


async def _end_early(run: RunSummary, code: Code, detail: str, reaction: Reaction[Dependencies]) -> None:
    ending = EndRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt, error_code=code, error_detail=detail)
    await reaction.send(ending)


def _money_left(session: SessionView) -> Decimal | None:
    """The agent counts what it spends from the start of its process; the session counts over all of them."""
    budget = session.sdk_options.max_budget_usd
    return None if budget is None else Decimal(str(budget)) - session.total_cost_usd


async def _converse(spec: AgentSpec, asked: Recorded[RunRequested], asking: Asking) -> Finished:
    prompt, message_id = asked.event.message, asked.event.message_id
    if asking.run.attempt > 1:  # the message was put to the agent that is gone
        prompt, message_id = await asking.continuation(), None
    async with aclosing(asking.reaction.dependencies.agents.turn(spec, prompt, asking.ask, message_id)) as told:
        async for telling in told:
            if isinstance(telling, Finished):
                return telling
            # A worker that has lost its run cancels its agent; what that still has to tell is what it used.
            if not asking.cancellation.requested:
                await _record(asked, telling, asking)
    raise AssertionError("a turn ends with what it used")


async def _record(
    asked: Recorded[RunRequested], telling: AssistantMessage | ToolReturned | Delta, asking: Asking
) -> None:
    run, reaction = asking.run, asking.reaction
    whose: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id, "attempt": run.attempt}
    try:
        match telling:
            case AssistantMessage():
                await reaction.send(
                    RecordMessage(
                        **whose,
                        message_id=telling.message_id or new_id(),
                        blocks=telling.blocks,
                        model=telling.model,
                        parent_tool_use_id=telling.parent_tool_use_id,
                    )
                )
                asking.recorded(telling.blocks)
            case ToolReturned():
                await reaction.send(
                    RecordToolResult(
                        **whose,
                        tool_use_id=telling.tool_use_id,
                        output=telling.output,
                        is_error=telling.is_error,
                        duration_ms=telling.duration_ms,
                    )
                )
            case Delta(text):
                await reaction.dependencies.deltas.tell(asked.owner, run.session_id, run.id, text)
    except Refusal as refusal:
        asking.cancellation.request(refusal)


def _ending(run: RunSummary, finished: Finished) -> EndRun:
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
    """End the agent of a cancelled run, in whichever replica it works; the run after it has an agent of its own."""
    reaction.dependencies.agents.call_off(recorded.id, recorded.event.run_id)


@reactions.broadcast("end_late_turn")
async def end_late_turn(recorded: Recorded[RunFailed], reaction: Reaction[Dependencies]) -> None:
    """End the agent of a run whose worker was taken for dead: the run after it may have begun."""
    if recorded.event.error_code is Code.RUN_INTERRUPTED:
        reaction.dependencies.agents.call_off(recorded.id, recorded.event.run_id)


@reactions.broadcast("end_idle_agent")
async def end_idle_agent(recorded: Recorded[SessionPaused], reaction: Reaction[Dependencies]) -> None:
    """End the agent of a paused session, as soon as it idles."""
    reaction.dependencies.agents.let_go(recorded.id)

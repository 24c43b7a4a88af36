"""What the session service does when it hears a fact: runs the agent, and tidies up after a session."""

import asyncio
import shutil
from contextlib import aclosing, suppress

from contracts.refusals import Code, Refusal
from contracts.session.commands import EndRun, RecordMessage, RecordToolResult, StartRun
from contracts.session.events import RunRequested, SessionCreated, SessionDeleted
from contracts.session.queries import GetSession
from contracts.session.templates import CountTemplateUse
from contracts.session.values import Usage
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded
from runtime.clock import new_id

from session.agent import AgentSpec, Delta, Finished, Said, Told, ToolReturned
from session.tools import Tools

RUNS_AT_ONCE = 16

reactions = Reactions()


@reactions.once(at_once=RUNS_AT_ONCE)
async def run_agent(recorded: Recorded[RunRequested], reaction: Reaction[Tools]) -> None:
    """Let the session's agent answer; whatever it tells is recorded at once.

    Fails, and so is tried again, when the facts cannot be stored: the next worker then finds a run that was begun, and
    ends it as interrupted.
    """
    session_id, run_id = recorded.id, recorded.fact.run_id
    try:
        run = await reaction.send(StartRun(session_id=session_id, run_id=run_id))
        if run.status != "running":
            return
        session = await reaction.ask(GetSession(session_id=session_id))
        options = await reaction.tools.environments.revealed(session_id, session.sdk_options)
        spec = AgentSpec(session_id, reaction.tools.workspace(session_id), options)
        limit = session.sdk_options.timeout_seconds
        timeout = asyncio.timeout(limit)
        try:
            async with timeout:
                await _converse(spec, recorded.fact, reaction)
        except TimeoutError:
            if not timeout.expired():
                raise
            detail = f"The run took longer than {limit} s."
            await reaction.send(
                EndRun(session_id=session_id, run_id=run_id, error_code=Code.RUN_TIMEOUT, error_detail=detail)
            )
    except Refusal:  # somebody ended the run or the session meanwhile
        await reaction.tools.agents.close(session_id)


async def _converse(spec: AgentSpec, fact: RunRequested, reaction: Reaction[Tools]) -> None:
    async with aclosing(reaction.tools.agents.turn(spec, fact.message)) as told:
        async for telling in told:
            await _record(spec, fact, telling, reaction)


async def _record(spec: AgentSpec, fact: RunRequested, telling: Told, reaction: Reaction[Tools]) -> None:
    session_id, run_id = spec.session_id, fact.run_id
    match telling:
        case Said(blocks, model):
            await reaction.send(
                RecordMessage(session_id=session_id, run_id=run_id, message_id=new_id(), blocks=blocks, model=model)
            )
        case ToolReturned():
            await reaction.send(
                RecordToolResult(
                    session_id=session_id,
                    run_id=run_id,
                    tool_use_id=telling.tool_use_id,
                    output=telling.output,
                    is_error=telling.is_error,
                    duration_ms=telling.duration_ms,
                )
            )
        case Finished():
            usage = Usage(
                duration_ms=telling.duration_ms,
                input_tokens=telling.input_tokens,
                output_tokens=telling.output_tokens,
                cost_usd=telling.cost_usd,
            )
            await reaction.send(
                EndRun(
                    session_id=session_id,
                    run_id=run_id,
                    usage=usage,
                    error_code=telling.error_code,
                    error_detail=telling.error_detail or "",
                    structured_output=telling.structured_output,
                )
            )
        case Delta():
            pass


@reactions.once()
async def count_use(recorded: Recorded[SessionCreated], reaction: Reaction[Tools]) -> None:
    """Count the session among those made from its template, if that still exists."""
    if recorded.fact.template_id:
        with suppress(Refusal):
            await reaction.send(CountTemplateUse(template_id=recorded.fact.template_id, session_id=recorded.id))


@reactions.everywhere
async def end_agent(recorded: Recorded[SessionDeleted], reaction: Reaction[Tools]) -> None:
    """End the agent of a deleted session, in whichever replica it lives."""
    await reaction.tools.agents.close(recorded.id)


@reactions.once()
async def remove_traces(recorded: Recorded[SessionDeleted], reaction: Reaction[Tools]) -> None:
    """Remove the workspace and the agent's memory of a deleted session."""
    await reaction.tools.agents.close(recorded.id)
    await asyncio.to_thread(shutil.rmtree, reaction.tools.workspace(recorded.id), ignore_errors=True)
    await reaction.tools.transcripts.delete_session(recorded.id)

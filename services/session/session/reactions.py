"""What the session service does when it hears a fact: runs the agent, and tidies up after a session."""

import asyncio
import shutil
from contextlib import aclosing
from decimal import Decimal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.archives import ArchiveView, CompleteArchive, CompleteUnarchive, GetArchive
from contracts.session.commands import CompleteFork, EndRun, RecordMessage, RecordToolResult, StartRun
from contracts.session.events import (
    ArchiveRequested,
    RunCancelled,
    RunFailed,
    RunRequested,
    SessionDeleted,
    SessionForked,
    UnarchiveRequested,
)
from contracts.session.queries import GetSession, SessionView
from contracts.session.values import Usage
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded
from runtime.clock import new_id
from runtime.logging import get_logger

from session.agent import AgentSpec, Delta, Finished, Said, Told, ToolReturned
from session.tools import Tools

log = get_logger()

RUNS_AT_ONCE = 16
PACKED_AT_ONCE = 2

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
        workspace = reaction.tools.workspace(session_id)
        spec = AgentSpec(session_id, workspace, session.sdk_options, run_id, _money_left(session))
        limit = session.sdk_options.timeout_seconds
        timeout = asyncio.timeout(limit)
        try:
            async with timeout:
                await _converse(spec, recorded, reaction)
        except TimeoutError:
            if not timeout.expired():
                raise
            detail = f"The run took longer than {limit} s."
            await reaction.send(
                EndRun(session_id=session_id, run_id=run_id, error_code=Code.RUN_TIMEOUT, error_detail=detail)
            )
    except Refusal as refusal:  # somebody ended the run or the session; a turn under way has ended its agent
        log.info("a run was over before its worker", run_id=str(run_id), code=refusal.code)


def _money_left(session: SessionView) -> Decimal | None:
    """The agent counts what it spends from the start of its process; the session counts over all of them."""
    budget = session.sdk_options.max_budget_usd
    return None if budget is None else Decimal(str(budget)) - session.total_cost_usd


async def _converse(spec: AgentSpec, asked: Recorded[RunRequested], reaction: Reaction[Tools]) -> None:
    async with aclosing(reaction.tools.agents.turn(spec, asked.fact.message, asked.fact.message_id)) as told:
        async for telling in told:
            await _record(asked, telling, reaction)


async def _record(asked: Recorded[RunRequested], telling: Told, reaction: Reaction[Tools]) -> None:
    session_id, run_id = asked.id, asked.fact.run_id
    match telling:
        case Said(blocks, model):
            await reaction.send(
                RecordMessage(
                    session_id=session_id,
                    run_id=run_id,
                    message_id=telling.message_id or new_id(),
                    blocks=blocks,
                    model=model,
                )
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
                )
            )
        case Delta(text):
            await reaction.tools.deltas.tell(asked.owner, session_id, run_id, text)


@reactions.everywhere
async def end_turn(recorded: Recorded[RunCancelled], reaction: Reaction[Tools]) -> None:
    """End the agent of a cancelled run, in whichever replica it works; the run after it has an agent of its own."""
    await reaction.tools.agents.close(recorded.id, recorded.fact.run_id)


@reactions.everywhere
async def end_late_turn(recorded: Recorded[RunFailed], reaction: Reaction[Tools]) -> None:
    """End the agent of a run whose worker was taken for dead: the run after it may have begun."""
    if recorded.fact.error_code is Code.RUN_INTERRUPTED:
        await reaction.tools.agents.close(recorded.id, recorded.fact.run_id)


@reactions.everywhere
async def end_agent(recorded: Recorded[SessionDeleted], reaction: Reaction[Tools]) -> None:
    """End the agent of a deleted session, in whichever replica it lives."""
    await reaction.tools.agents.close(recorded.id)


@reactions.once()
async def remove_traces(recorded: Recorded[SessionDeleted], reaction: Reaction[Tools]) -> None:
    """Remove the workspace and the agent's memory of a deleted session."""
    await reaction.tools.agents.close(recorded.id)
    await asyncio.to_thread(reaction.tools.files(recorded.id).remove)
    await asyncio.to_thread(shutil.rmtree, reaction.tools.archives / str(recorded.id), ignore_errors=True)
    await reaction.tools.transcripts.delete_session(recorded.id)


@reactions.once()
async def copy_parent(recorded: Recorded[SessionForked], reaction: Reaction[Tools]) -> None:
    """Copy the conversation and the workspace that a fork begins with; done again, it changes nothing."""
    fork_id, fact, tools = recorded.id, recorded.fact, reaction.tools
    try:
        if (await reaction.ask(GetSession(session_id=fork_id))).ready:
            return
        await tools.transcripts.copy(fact.parent_session_id, fork_id, len(fact.message_ids))
        parent, fork = tools.files(fact.parent_session_id), tools.files(fork_id)
        copied = await asyncio.to_thread(parent.copy_to, fork)
        await reaction.send(CompleteFork(session_id=fork_id, file_count=copied.files, left_out=copied.left_out))
    except Refusal:  # the fork was deleted meanwhile
        await asyncio.to_thread(tools.files(fork_id).remove)
        await tools.transcripts.delete_session(fork_id)


@reactions.everywhere
async def end_archived_agent(recorded: Recorded[ArchiveRequested], reaction: Reaction[Tools]) -> None:
    """End the agent of an archived session, in whichever replica it lives."""
    await reaction.tools.agents.close(recorded.id)


@reactions.once(at_once=PACKED_AT_ONCE)
async def pack_workspace(recorded: Recorded[ArchiveRequested], reaction: Reaction[Tools]) -> None:
    """Pack the workspace of an archived session, then remove it; done again, it changes nothing."""
    session_id, fact, tools = recorded.id, recorded.fact, reaction.tools
    await tools.agents.close(session_id)
    path = tools.archive(session_id, fact.archive_id, fact.compression)
    try:
        if not await _stands(session_id, fact.archive_id, "packing", reaction):
            return
        packed = await asyncio.to_thread(tools.files(session_id).pack, path, fact.compression)
        if not await _stands(session_id, fact.archive_id, "packing", reaction):
            return
        await asyncio.to_thread(tools.files(session_id).remove)
        await reaction.send(
            CompleteArchive(
                session_id=session_id,
                archive_id=fact.archive_id,
                size_bytes=path.stat().st_size,
                file_count=packed.files,
                left_out=packed.left_out,
            )
        )
    except Refusal:  # the session was deleted meanwhile
        await asyncio.to_thread(shutil.rmtree, path.parent, ignore_errors=True)


@reactions.once(at_once=PACKED_AT_ONCE)
async def unpack_workspace(recorded: Recorded[UnarchiveRequested], reaction: Reaction[Tools]) -> None:
    """Unpack the workspace of a session, then remove the archive; done again, it changes nothing."""
    session_id, archive_id, tools = recorded.id, recorded.fact.archive_id, reaction.tools
    try:
        archive = await _stands(session_id, archive_id, "unpacking", reaction)
        if not archive:
            return
        path = tools.archive(session_id, archive_id, archive.compression)
        await asyncio.to_thread(tools.files(session_id).unpack, path)
        await reaction.send(CompleteUnarchive(session_id=session_id, archive_id=archive_id))
        await asyncio.to_thread(path.unlink, missing_ok=True)
    except Refusal:  # the session was deleted meanwhile
        await asyncio.to_thread(tools.files(session_id).remove)


async def _stands(session_id: UUID, archive_id: UUID, status: str, reaction: Reaction[Tools]) -> ArchiveView | None:
    try:
        archive = await reaction.ask(GetArchive(session_id=session_id))
    except Refusal as refusal:
        if refusal.code is Code.ARCHIVE_NOT_FOUND:
            return None
        raise
    return archive if (archive.archive_id, archive.status) == (archive_id, status) else None

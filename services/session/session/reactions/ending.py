"""The end of a worker's part in a run: the run has ended, or its agent was released."""

from dataclasses import replace

from contracts.refusals import Code, Refusal
from contracts.session.release import ReleaseRun
from contracts.session.run import EndRun, RecordRunUsage
from contracts.session.run_view import RunSummary
from contracts.session.values import ReleaseReason, Usage
from eventing.database import TRANSIENT_ERRORS
from eventing.reactions import Reaction
from eventing.store import Conflict
from runtime.logging import get_logger

from session.agent import Finished
from session.dependencies import Dependencies

log = get_logger()

NOT_STORED = "The result of the agent could not be stored."
OVER_CODES = frozenset({Code.RUN_OVER, Code.SESSION_NOT_FOUND})
"""Refusals that mean that nothing is left to do."""


async def end(command: EndRun | ReleaseRun, reaction: Reaction[Dependencies]) -> None:
    """End or release a run; if its session was deleted meanwhile, record what it has used all the same.

    Raises:
        Refusal: as the command is refused.
    """
    try:
        await reaction.send(command)
    except Refusal as refusal:
        _log(command, refusal.code)
        if refusal.code is Code.SESSION_NOT_FOUND and command.attempt:
            await reaction.send(
                RecordRunUsage(
                    session_id=command.session_id, run_id=command.run_id, attempt=command.attempt, usage=command.usage
                )
            )
        raise
    _log(command, "released" if isinstance(command, ReleaseRun) else command.error_code or "completed")


def _log(command: EndRun | ReleaseRun, outcome: str) -> None:
    """Leave a line about the end of this part of a run; the code of a refusal says who has ended it before."""
    usage = command.usage
    log.info(
        "run ended",
        outcome=outcome,
        attempt=command.attempt,
        duration_ms=usage.duration_ms,
        cost_usd=float(usage.cost_usd),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
    )


async def end_finished(run: RunSummary, finished: Finished, reaction: Reaction[Dependencies]) -> None:
    """End a run as its agent has finished. If its result cannot be stored, the run fails, with its usage all the same.

    Raises:
        Refusal: as the command is refused.
        Exception: the database is not available.
    """
    try:
        await end(end_command(run, finished), reaction)
    except (Refusal, Conflict, *TRANSIENT_ERRORS):
        raise
    except Exception:  # the result comes from the agent: whatever is wrong with it, the run has to be paid
        log.exception("result of a run could not be stored", run_id=str(run.id))
        lost = replace(finished, structured_output=None, error_code=Code.AGENT_FAILED, error_detail=NOT_STORED)
        await end(end_command(run, lost), reaction)


async def end_early(run: RunSummary, code: Code, detail: str, reaction: Reaction[Dependencies]) -> None:
    """End a run before its agent begins."""
    ending = EndRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt, error_code=code, error_detail=detail)
    await reaction.send(ending)
    _log(ending, code)


def end_command(run: RunSummary, finished: Finished) -> EndRun:
    """Return the command that ends a run as its agent has finished."""
    return EndRun(
        session_id=run.session_id,
        run_id=run.id,
        attempt=run.attempt,
        usage=usage_of(finished),
        error_code=finished.error_code,
        error_detail=finished.error_detail or "",
        structured_output=finished.structured_output,
    )


def release_command(run: RunSummary, usage: Usage, reason: ReleaseReason = "approval") -> ReleaseRun:
    """Return the command that releases a run, whose agent has used `usage`."""
    return ReleaseRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt, usage=usage, reason=reason)


def usage_of(finished: Finished) -> Usage:
    """Return what an agent has used."""
    return Usage(
        duration_ms=finished.duration_ms,
        input_tokens=finished.input_tokens,
        output_tokens=finished.output_tokens,
        cost_usd=finished.cost_usd,
    )

"""The end of a worker's part in a run: the run has ended, or its agent was released."""

from contracts.refusals import Code, Refusal
from contracts.session.release import ReleaseRun
from contracts.session.run import EndRun, RecordRunUsage, RunSummary
from contracts.session.values import Usage
from eventing.reactions import Reaction

from session.agent import Finished
from session.dependencies import Dependencies

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
        if refusal.code is Code.SESSION_NOT_FOUND and command.attempt:
            await reaction.send(
                RecordRunUsage(
                    session_id=command.session_id, run_id=command.run_id, attempt=command.attempt, usage=command.usage
                )
            )
        raise


async def end_early(run: RunSummary, code: Code, detail: str, reaction: Reaction[Dependencies]) -> None:
    """End a run before its agent begins."""
    ending = EndRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt, error_code=code, error_detail=detail)
    await reaction.send(ending)


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


def release_command(run: RunSummary, usage: Usage) -> ReleaseRun:
    """Return the command that releases a run, whose agent has used `usage`."""
    return ReleaseRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt, usage=usage)


def usage_of(finished: Finished) -> Usage:
    """Return what an agent has used."""
    return Usage(
        duration_ms=finished.duration_ms,
        input_tokens=finished.input_tokens,
        output_tokens=finished.output_tokens,
        cost_usd=finished.cost_usd,
    )

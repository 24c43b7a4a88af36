"""Continues runs whose worker or agent was lost, as far as it is known what their agents did."""

from contracts.refusals import Code
from contracts.session.conversation import RecordMessage
from contracts.session.run import EndRun, SettleRun
from contracts.session.run_view import RunSummary
from contracts.session.session import GetSession
from eventing.reactions import Reaction
from runtime.logging import get_logger

from session.agent import Finished
from session.agent.tail import Tail, read_tail
from session.dependencies import Dependencies
from session.reactions.cancellation import Cancellation
from session.reactions.ending import end

log = get_logger()

GO_ON = (
    "A restart of the service has interrupted your work on the last message of the user. The results of the tool calls "
    "that you had made are in the conversation. Go on where you stopped, and do not repeat what is done."
)
UNCERTAIN = "The run was interrupted during a call of {}, whose outcome is unknown."
MAX_NAMED = 5


async def recover(run: RunSummary, reaction: Reaction[Dependencies]) -> Tail:
    """Record what the agent did, and its lost worker did not record; return what the conversation has of the run.

    Calls without a result are interrupted, and may be repeated if they change nothing.

    Raises:
        Refusal: the run is over, or another worker has it.
    """
    tail = await read_tail(reaction.dependencies.transcripts.database, run.session_id, run.id)
    for message in tail.messages:
        await reaction.send(
            RecordMessage(
                session_id=run.session_id,
                run_id=run.id,
                attempt=run.attempt,
                message_id=message.message_id,
                entry_id=message.entry_id,
                blocks=message.blocks,
                model=message.model,
            )
        )
    settled = SettleRun(
        session_id=run.session_id, run_id=run.id, attempt=run.attempt, results=list(tail.results.values())
    )
    await reaction.send(settled)
    return tail


async def end_recovered(run: RunSummary, tail: Tail, reaction: Reaction[Dependencies]) -> bool:
    """End a run that cannot go on, because of what it did last, or need not; return whether it was ended.

    Raises:
        Refusal: as the command is refused.
    """
    ending = EndRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt)
    if tail.uncertain:
        ending = ending.model_copy(
            update={"error_code": Code.RUN_INTERRUPTED, "error_detail": describe_uncertain(tail)}
        )
    elif not tail.ended or await _wants_output(run, reaction):
        log.info("run goes on", attempt=run.attempt, messages=len(tail.messages))
        return False
    await end(ending, reaction)
    return True


def describe_uncertain(tail: Tail) -> str:
    """Return why a run is not continued."""
    return UNCERTAIN.format(", ".join(dict.fromkeys(tail.uncertain[:MAX_NAMED])))


async def _wants_output(run: RunSummary, reaction: Reaction[Dependencies]) -> bool:
    """Return whether the answer has to be a structured output, which only an agent reports."""
    session = await reaction.ask(GetSession(session_id=run.session_id))
    return session.sdk_options.output_format is not None


def is_lost(finished: Finished, cancellation: Cancellation) -> bool:
    """Return whether an agent ended though nobody wanted that."""
    return finished.died and finished.error_code is Code.AGENT_FAILED and not cancellation.requested

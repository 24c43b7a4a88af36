"""Continues runs whose worker or agent was lost, as far as it is known what their agents did."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approval import ApprovalView
from contracts.session.conversation import RecordMessage
from contracts.session.run import EndRun, GetRun, RunRequested
from contracts.session.run_view import RunSummary
from contracts.session.session_view import SessionView
from contracts.session.settling import LostCall, Settled, SettleRun
from eventing.reactions import Reaction
from runtime.logging import get_logger

from session.agent import Finished
from session.agent.tail import Tail, read_tail, with_newest_outputs
from session.dependencies import Dependencies
from session.mcp.recovered_calls import PREFIX, recover_calls
from session.reactions.approval import ApprovalRequests, continuation, undelivered
from session.reactions.cancellation import Cancellation
from session.reactions.ending import OVER_CODES, end, end_finished
from session.reactions.recording import Requested

log = get_logger()

GO_ON = (
    "A restart of the service has interrupted your work on the last message of the user. The results of the tool calls "
    "that you had made are in the conversation. Go on where you stopped, and do not repeat what is done."
)
UNKNOWN = (
    "It is unknown whether these tool calls took effect. Check that before you rely on it. They must not be made again:"
)
RETURNED = "These tool calls have ended, but the conversation lacks their results:"
INTERRUPTED = "The run was interrupted during a call of {}, whose outcome is unknown."
KEPT = "These tool calls were carried out. Make the same calls again to get their results; that has no other effect:"
MAX_NAMED = 5
MAX_LISTED = 20
"""The number of calls that a prompt names under each heading, the newest."""
MAX_INPUT_CHARS = 2_000


@dataclass
class Recovered:
    """What is known of a run that has lost its worker or agent.

    `tail` is what its conversation has of it, and `settled` what becomes of the run. `views` are approvals that were
    requested and not delivered, `kept` calls whose results only the service has.
    """

    tail: Tail
    settled: Settled
    views: list[ApprovalView]
    kept: list[LostCall]

    @property
    def waits(self) -> bool:
        """Whether people have to decide about a call first."""
        return self.settled.outlook == "waits"

    @property
    def unknown(self) -> list[LostCall]:
        """The calls of unknown outcome that nobody is asked about."""
        return [self.tail.unsettled[id] for id in self.settled.unknown]

    @property
    def returned(self) -> list[tuple[LostCall, str]]:
        """The calls that are known to have ended, with their outputs, except those whose results the service has."""
        kept = {call.tool_use_id for call in self.kept}
        return [(self.tail.unsettled[id], output) for id, output in self.tail.returned.items() if id not in kept]


async def recover(run: RunSummary, reaction: Reaction[Dependencies], *, ends: bool = False) -> Recovered:
    """Record what the agent did, and its lost worker did not record; return what is known of the run.

    Calls without a result may be repeated if they have not begun, or if their tool may be called twice. Those that only
    the table of begun calls has are recorded, too. Nobody is asked about calls of a run that `ends` now.

    Raises:
        Refusal: the run is over, or another worker has it.
    """
    dependencies = reaction.dependencies
    tail = await read_tail(dependencies.transcripts.database, run.session_id, run.id)
    about: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id, "attempt": run.attempt}
    of_servers = [call for call in tail.uncertain if call.tool_name.startswith(PREFIX)]
    kept, begun = await recover_calls(dependencies.transcripts.database, run.session_id, run.id, of_servers)
    lost = [call for call in tail.uncertain if call.tool_use_id not in tail.returned]
    unknown = [call for call in lost if not call.tool_name.startswith(PREFIX) or call.tool_use_id in begun]
    for message in tail.messages:
        await reaction.send(
            RecordMessage(
                **about,
                message_id=message.message_id,
                entry_id=message.entry_id,
                blocks=message.blocks,
                model=message.model,
            )
        )
    expires_at = None if ends else reaction.now() + timedelta(seconds=dependencies.approval_seconds)
    results = with_newest_outputs([*tail.results.values(), *kept])
    settled = await reaction.send(SettleRun(**about, results=results, unknown=unknown, expires_at=expires_at))
    return Recovered(
        tail, settled, await undelivered(run, reaction), [tail.unsettled[each.tool_use_id] for each in kept]
    )


async def recover_lost(
    run: RunSummary, finished: Finished, reaction: Reaction[Dependencies], *, ends: bool
) -> Recovered:
    """Recover what an agent did that died; if its run is over, record what it used. Raises as `recover` does."""
    try:
        return await recover(run, reaction, ends=ends)
    except Refusal as refusal:
        if refusal.code in OVER_CODES:
            await end_finished(run, finished, reaction)
        raise


async def end_recovered(
    run: RunSummary, session: SessionView, recovered: Recovered, reaction: Reaction[Dependencies], *, ends: bool
) -> bool:
    """End a run that cannot go on, because of what it did last, or need not; return whether it was ended.

    One that `ends` anyway is left to the checks that say why, unless its answer is complete.

    Raises:
        Refusal: as the command is refused.
    """
    tail, wants_output = recovered.tail, session.sdk_options.output_format is not None  # only an agent reports it
    ending = EndRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt)
    if recovered.settled.outlook == "ends" and not ends:
        ending = ending.model_copy(
            update={"error_code": Code.RUN_INTERRUPTED, "error_detail": describe_uncertain(recovered)}
        )
    elif recovered.views or not tail.ended or wants_output:
        log.info("run goes on", attempt=run.attempt, messages=len(tail.messages))
        return False
    await end(ending, reaction)
    return True


def describe_uncertain(recovered: Recovered) -> str:
    """Return why a run is not continued."""
    names = dict.fromkeys(call.tool_name for call in recovered.unknown)
    return INTERRUPTED.format(", ".join([*names][:MAX_NAMED]) or "a tool")


def is_lost(finished: Finished, cancellation: Cancellation) -> bool:
    """Return whether an agent died whose worker still has the run: it did not report all that it did.

    That holds, too, if its end was requested in that moment, because of its time or space.
    """
    return finished.died and finished.error_code is Code.AGENT_FAILED and not cancellation.refusal


async def prompt_of(
    recorded: Requested, approvals: ApprovalRequests, recovered: Recovered | None
) -> tuple[str, UUID | None]:
    """Return the prompt of the next agent, and the id of the message if it is that of the user.

    Raises:
        Refusal: the run is over, or another worker has it.
    """
    begun, views = recovered is not None and recovered.tail.begun, recovered.views if recovered else []
    message, id = (GO_ON, None) if begun else await _message(recorded, approvals.reaction)
    if recovered is None:
        return message, id
    if views:
        approvals.decisions = [view.id for view in views]
        decided = continuation(views)
        message = decided if begun else f"{message}\n\n{decided}"
    return "\n".join([message, *describe(recovered)]), id


async def _message(recorded: Requested, reaction: Reaction[Dependencies]) -> tuple[str, UUID | None]:
    """Return the message of the user, and its id, by which the conversation is known to have it."""
    if isinstance(recorded.event, RunRequested):
        return recorded.event.message, recorded.event.message_id
    run = await reaction.ask(GetRun(session_id=recorded.id, run_id=recorded.event.run_id))
    return run.message, run.prompt_message_id


def describe(recovered: Recovered) -> Iterator[str]:
    """Yield the lines of a prompt about calls of a lost agent that have no result in its conversation, if any."""
    yield from _listed(UNKNOWN, [_shown(call) for call in recovered.unknown])
    yield from _listed(KEPT, [_shown(call) for call in recovered.kept])
    yield from _listed(RETURNED, [f"{_shown(call)} returned {json.dumps(out)}" for call, out in recovered.returned])


def _listed(heading: str, calls: list[str]) -> list[str]:
    more = [f"- and {len(calls) - MAX_LISTED} earlier ones"] if len(calls) > MAX_LISTED else []
    return [heading, *more, *calls[-MAX_LISTED:]] if calls else []


def _shown(call: LostCall) -> str:
    return f"- {call.tool_name} with {json.dumps(call.tool_input)[:MAX_INPUT_CHARS]}"

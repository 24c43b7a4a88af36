"""What the earlier agents of a run have used of its limits: the next one gets the rest, once they have ended."""

from asyncio import sleep
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from contracts.refusals import Code, Refusal
from contracts.session.run_view import RunSummary
from contracts.session.session_view import SessionView
from contracts.session.values import SdkOptions
from eventing.retrying import retry_transient

from session.agent.transcript import Database
from session.aggregate.queue import BUDGET_REACHED

EARLIER = "SELECT worked_ms, resumed = 'lost' AS lost FROM runs WHERE id = $1"
TURNS = """
    SELECT count(*) FROM messages WHERE session_id = $1 AND run_id = $2 AND message_type = 'assistant'
        AND parent_tool_call_id IS NULL AND NOT incomplete"""
LOST_AGENT_SECONDS = 4.0
"""How long the agent of a service that hangs may live after the lease of its run has expired: it ends 7 s after the
last heartbeat of its service, which had renewed the lease for 5 s not more than a second before it hung."""
TIMED_OUT = "The run exceeded its timeout of {} s."
TURNS_REACHED = "The run reached `max_turns` before the agent was done."


class LimitReached(Refusal):
    """Nothing is left of a limit of a run for another agent."""


@dataclass(frozen=True)
class Earlier:
    """What earlier agents of a run have used: the time in which they worked."""

    worked_ms: int = 0

    def timed_out(self, seconds: int) -> bool:
        """Return whether nothing is left of the `timeout_seconds` of the run."""
        return self.worked_ms >= seconds * 1000

    async def rest(self, run: RunSummary, options: SdkOptions, database: Database) -> SdkOptions:
        """Return the options of the next agent, once all answers of earlier ones are recorded.

        Raises:
            LimitReached: RUN_TIMEOUT, MAX_TURNS_REACHED.
        """
        if self.timed_out(options.timeout_seconds):
            raise LimitReached(Code.RUN_TIMEOUT, TIMED_OUT.format(options.timeout_seconds))
        if run.attempt == 1 or options.max_turns is None:
            return options
        rest = options.max_turns - await retry_transient(partial(database.fetchval, TURNS, run.session_id, run.id))
        if rest <= 0:
            raise LimitReached(Code.MAX_TURNS_REACHED, TURNS_REACHED)
        return options.model_copy(update={"max_turns": rest})


async def ended_earlier(run: RunSummary, database: Database) -> Earlier:
    """Wait until no earlier agent of a run can be alive; return what they have used."""
    if run.attempt == 1:
        return Earlier()
    row = await retry_transient(partial(database.fetchrow, EARLIER, run.id))
    if row is None:  # the session was deleted
        return Earlier()
    if row["lost"]:
        await sleep(LOST_AGENT_SECONDS)
    return Earlier(row["worked_ms"])


def remaining_budget(session: SessionView, run: RunSummary, options: SdkOptions) -> Decimal | None:
    """Return what the session may still spend with these options, or None without a budget.

    An agent counts its spending from the start of its process, so it is given the remainder. What the run used before
    it was released is not part of its session's total yet.

    Raises:
        LimitReached: BUDGET_EXCEEDED. The budget was lowered, or the cost of the last run was reported late.
    """
    if options.max_budget_usd is None:
        return None
    rest = Decimal(str(options.max_budget_usd)) - session.total_cost_usd - run.usage.cost_usd
    if rest <= 0:
        raise LimitReached(Code.BUDGET_EXCEEDED, BUDGET_REACHED)
    return rest

"""Handlers of queries about quotas."""

from contracts.messages import Refused
from contracts.refusals import Code, not_found
from contracts.session.quota import Allowance, CountUse, GetAllowance, GetUsage, MoneyUse, UsageView
from eventing.handling import Handlers
from runtime import clock

from session.dependencies import Context
from session.queries.tables import visible
from session.quotas.concurrency import ACTIVE, ALLOWANCE
from session.quotas.months import budget_refusal, end_of_month, used_in_month
from session.quotas.refusal import exceeded
from session.quotas.rules import limits_of

NO_WAIT = "The user has too many active runs, and a run that an agent submits cannot wait for them to end."

answers = Handlers()


@answers
async def get_usage(query: GetUsage, context: Context) -> UsageView:
    """Return what a user uses: the actor, or any user for administrators."""
    if not context.actor.may_see(query.user_id):
        raise not_found(Code.USER_NOT_FOUND, query.user_id)
    now, database = clock.now(), context.database
    limits = await limits_of(database, query.user_id, query.role)
    active = await database.fetchval(ACTIVE, query.user_id)
    used, resets_at = await used_in_month(query.user_id, now, database), end_of_month(now)
    return UsageView(
        user_id=query.user_id,
        concurrent_runs=CountUse(used=active, limit=limits.concurrent_runs),
        sessions_per_month=CountUse(used=used.sessions, limit=limits.sessions_per_month, resets_at=resets_at),
        budget_per_month_usd=MoneyUse(used=used.cost_usd, limit=limits.budget_per_month_usd, resets_at=resets_at),
    )


@answers
async def get_allowance(query: GetAllowance, context: Context) -> Allowance:
    """Return whether the quotas of a session's owner allow a run of the session."""
    owner = (await visible(query.session_id, context))["user_id"]
    limits = await limits_of(context.database, owner, context.actor.role if context.actor.user_id == owner else "user")
    refusal = await budget_refusal(limits, owner, clock.now(), context.database)
    refused = Refused.of(refusal) if refusal else None
    if (most := limits.concurrent_runs) is None:
        return Allowance(refused=refused)
    row = await context.database.fetchrow(ALLOWANCE, owner, query.session_id) or {}
    free = most - row["active"]
    if free <= row["before"] and not query.may_wait:
        refused = Refused.of(exceeded("concurrent_runs", row["active"], most, detail=NO_WAIT))
    return Allowance(slot_is_free=free > 0, is_next=free > row["before"], refused=refused)

"""Handlers of queries about quotas.

Charges and allowances are not checked against the actor: only this service asks for them, about a session that it has
loaded for the actor.
"""

from decimal import Decimal

from contracts.session.quota import Allowance, GetAllowance, GetRunCharge, GetUsage, UsageView
from eventing.handling import Handlers

from session.dependencies import Context
from session.quotas.usage import allowance_of, usage_of

RUN_CHARGE = "SELECT charged_usd FROM runs WHERE session_id = $1 AND id = $2"

answers = Handlers()


@answers
async def get_usage(query: GetUsage, context: Context) -> UsageView:
    """Return what a user uses: the actor, or any user for administrators."""
    return await usage_of(query.user_id, query.role, context.actor, context.database)


@answers
async def get_run_charge(query: GetRunCharge, context: Context) -> Decimal:
    """Return what a run has cost so far."""
    return await context.database.fetchval(RUN_CHARGE, query.session_id, query.run_id) or Decimal(0)


@answers
async def get_allowance(query: GetAllowance, context: Context) -> Allowance:
    """Return whether the quotas of a session's owner allow a run of the session."""
    may_wait = query.may_wait
    return await allowance_of(query.session_id, query.owner, context.actor, context.database, may_wait=may_wait)

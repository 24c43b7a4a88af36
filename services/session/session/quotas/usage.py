"""Usage of quotas, as users may read it."""

from uuid import UUID

from contracts.identity.values import Quotas, Role
from contracts.messages import Actor, Refused
from contracts.refusals import Code, not_found
from contracts.session.quota import Allowance, CountUse, MoneyUse, UsageView
from eventing.database import Database
from runtime import clock

from session.quotas.accounts import assumed_role
from session.quotas.concurrency import ACTIVE, ACTIVE_IN_OTHERS, BEFORE
from session.quotas.months import SPENT, budget_refusal, end_of_month, month_of, used_in_month
from session.quotas.refusal import exceeded
from session.quotas.rules import LIMITS, NAMES, limits_of
from session.quotas.storage import storage_used

ALLOWANCE = f"""
    SELECT limits.*, ({ACTIVE_IN_OTHERS}) AS active, ({BEFORE}) AS before, ({SPENT.replace("$2", "$4")}) AS spent
    FROM ({LIMITS.replace("$2", "$3")}) AS limits"""  # noqa: S608  no input
NO_WAIT = "The user has too many active runs, and a run that an agent submits cannot wait for them to end."


async def usage_of(user_id: UUID, role: Role, actor: Actor, database: Database) -> UsageView:
    """Return what a user with this role uses.

    Raises:
        Refusal: USER_NOT_FOUND; the actor is neither that user nor an administrator.
    """
    if not actor.may_see(user_id):
        raise not_found(Code.USER_NOT_FOUND, user_id)
    now, limits = clock.now(), await limits_of(database, user_id, role)
    active = await database.fetchval(ACTIVE, user_id)
    used, resets_at = await used_in_month(user_id, now, database), end_of_month(now)
    return UsageView(
        user_id=user_id,
        concurrent_runs=CountUse(used=active, limit=limits.concurrent_runs),
        sessions_per_month=CountUse(used=used.sessions, limit=limits.sessions_per_month, resets_at=resets_at),
        budget_per_month_usd=MoneyUse(used=used.cost_usd, limit=limits.budget_per_month_usd, resets_at=resets_at),
        storage_bytes=CountUse(used=await storage_used(database, user_id), limit=limits.storage_bytes),
    )


async def allowance_of(session_id: UUID, owner: UUID, actor: Actor, database: Database, *, may_wait: bool) -> Allowance:
    """Return whether the quotas of a session's owner allow a run; without `may_wait`, only one that can start now."""
    now = clock.now()
    row = await database.fetchrow(ALLOWANCE, owner, session_id, assumed_role(owner, actor), month_of(now)) or {}
    limits = Quotas.model_validate({name: row[name] for name in NAMES})
    refusal = budget_refusal(limits.budget_per_month_usd, row["spent"], now)
    refused = Refused.of(refusal) if refusal else None
    if (most := limits.concurrent_runs) is None:
        return Allowance(refused=refused)
    free = most - row["active"]
    if free <= row["before"] and not may_wait:
        refused = Refused.of(exceeded("concurrent_runs", row["active"], most, detail=NO_WAIT))
    return Allowance(slot_is_free=free > 0, is_next=free > row["before"], refused=refused)

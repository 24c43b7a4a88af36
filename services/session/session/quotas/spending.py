"""Spending of a run from its user's budget of the month, which all runs of the user share, in all replicas."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts.identity.values import Role
from contracts.refusals import Refusal
from eventing.database import TRANSIENT_ERRORS, Database
from eventing.recording import Recorded
from runtime import clock
from runtime.logging import get_logger

from session.quotas.accounts import owner_disabled
from session.quotas.concurrency import role_of
from session.quotas.months import CHARGE_ATTEMPT, SPENT, budget_refusal, month_of
from session.quotas.rules import LIMITS

log = get_logger()

WORKED_STEP_MS = 1000
"""How much longer an agent has worked at least if that alone is stored."""
# One statement, because each request to the model waits for it.
STATE = f"""
    SELECT limits.budget_per_month_usd AS budget, ({SPENT.replace("$2", "$3")}) AS spent,
        (SELECT NOT is_active FROM accounts WHERE user_id = $1) AS disabled
    FROM ({LIMITS}) AS limits"""  # noqa: S608  no input


class Spending:
    """The spending of one attempt of a run, charged after each answer of the model."""

    def __init__(self, database: Database, recorded: Recorded[Any], run_id: UUID, attempt: int) -> None:
        self._database, self._user_id, self._run_id, self._attempt = database, recorded.owner, run_id, attempt
        self._role: Role = role_of(recorded)
        self.worked_ms: Callable[[], int] = lambda: 0
        """Returns how long the agents of the run have worked, which is stored beside the cost."""
        self._charged, self._stored_ms, self._settled, self._charging = Decimal(0), 0, False, asyncio.Lock()
        self._meter = clock.new_id()

    async def refusal(self) -> Refusal | None:
        """Return the refusal of another request to the model, or None if the user may spend more in this month.

        The agents of a user whose account is disabled spend nothing more.

        Raises:
            Exception: one of `TRANSIENT_ERRORS`; the database is not available.
        """
        async with self._charging:  # the answer before this request may still be charged
            now = clock.now()
            row = await self._database.fetchrow(STATE, self._user_id, self._role, month_of(now)) or {}
        return owner_disabled() if row["disabled"] else budget_refusal(row["budget"], row["spent"], now)

    async def charge(self, total_usd: Decimal, step_ms: int = WORKED_STEP_MS) -> bool:
        """Add what the attempt has spent so far, in total, to that of the month; return whether all that is stored.

        Nothing is stored if it has spent no more, and worked for less than `step_ms`, since the last time. What cannot
        be stored is added by the next call, or when the end of the run is recorded; what was stored, though the reply
        was lost, is not added again.
        """
        async with self._charging:
            worked_ms, total_usd = self.worked_ms(), max(total_usd, self._charged)
            is_known = total_usd == self._charged and worked_ms < self._stored_ms + step_ms
            if is_known or self._settled:
                return True
            row = month_of(clock.now()), self._charged, total_usd, self._run_id, self._meter, worked_ms, self._attempt
            try:
                await self._database.execute(CHARGE_ATTEMPT, self._user_id, *row)
            except TRANSIENT_ERRORS as error:
                log.warning("cost of a run could not be charged", run_id=str(self._run_id), error=repr(error))
                return False
            self._charged, self._stored_ms = total_usd, worked_ms
            return True

    async def settle(self, total_usd: Decimal) -> None:
        """Add the final cost of the attempt; requests that end later are part of it."""
        await self.charge(total_usd)
        self._settled = True

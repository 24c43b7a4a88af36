"""All messages about quotas: what a user uses, and whether a session may start a run."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from contracts.identity.values import Role
from contracts.messages import Message, Query, Refused
from contracts.samples import RUN, SESSION, USER


class CountUse(Message):
    """How much of a quota is used; without a `limit` it is unlimited. It starts again at 0 at `resets_at`."""

    used: int
    limit: int | None
    resets_at: datetime | None = None


class MoneyUse(Message):
    """How much of a quota in US dollars is used; see `CountUse`."""

    used: Decimal
    limit: Decimal | None
    resets_at: datetime


class UsageView(Message):
    """What a user uses of each quota now, and in this month."""

    user_id: UUID
    concurrent_runs: CountUse
    sessions_per_month: CountUse
    budget_per_month_usd: MoneyUse
    storage_bytes: CountUse = CountUse(used=0, limit=None)


class GetUsage(Query[UsageView]):
    """Return what a user uses, with the limits of a role where the user has no own ones."""

    subject = "qry.session.get_usage"
    sample = {"user_id": USER, "role": "user"}

    user_id: UUID
    role: Role


class GetRunCharge(Query[Decimal]):
    """Return what a run has cost so far by the budget of the month: also if its worker was lost before the report."""

    subject = "qry.session.get_run_charge"
    senders = ()
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


class Allowance(Message):
    """Whether the quotas of a session's owner allow a run of the session, if its active one ends.

    `slot_is_free` says whether one more run may be active, `is_next` whether no other session waits for that slot.
    `refused` is set if no run may begin at all.
    """

    slot_is_free: bool = True
    is_next: bool = True
    refused: Refused | None = None

    @property
    def may_start(self) -> bool:
        """Whether a run of this session may start before those of other sessions."""
        return self.slot_is_free and self.is_next


class GetAllowance(Query[Allowance]):
    """Return whether the quotas of a session's owner allow a run of the session.

    Without `may_wait` it is refused if it cannot start now.
    """

    subject = "qry.session.get_allowance"
    senders = ()
    sample = {"session_id": SESSION, "owner": USER}

    session_id: UUID
    owner: UUID
    may_wait: bool = True

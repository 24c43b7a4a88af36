"""Usage of a user in each calendar month in UTC: sessions and money."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts.refusals import Refusal
from eventing.database import Connection, Database
from eventing.recording import Recorded

from session.quotas.refusal import exceeded

ADD = """
    INSERT INTO usage AS u (user_id, month, slot, sessions, cost_usd) VALUES ($1, $2, counter_slot('usage'), $3, $4)
    ON CONFLICT (user_id, month, slot)
    DO UPDATE SET sessions = u.sessions + excluded.sessions, cost_usd = u.cost_usd + excluded.cost_usd"""
USED = """
    SELECT coalesce(sum(sessions), 0)::bigint AS sessions, coalesce(sum(cost_usd), 0) AS cost_usd
    FROM usage WHERE user_id = $1 AND month = $2"""
SPENT = "SELECT coalesce(sum(cost_usd), 0) FROM usage WHERE user_id = $1 AND month = $2"
# $4 is what the attempt $6 of the run $5 has spent in total, $3 what it knows to be charged. If it had no reply,
# because the connection was lost after the commit, the row knows more; it still does after another attempt has only
# stored its time. The row is gone if the session was deleted.
# $7 is how long the agents of the run have worked, as the worker of attempt $8 knows. One that was replaced measures
# beside the current one, or has hung, so its time is not that of the run.
CHARGE_ATTEMPT = """
    WITH run AS (
        SELECT greatest(0, $4 - CASE WHEN meter = $6 THEN meter_usd ELSE $3::numeric END) AS uncharged
        FROM runs WHERE id = $5 FOR UPDATE
    ), updated AS (
        UPDATE runs SET charged_usd = charged_usd + run.uncharged,
            meter = CASE WHEN run.uncharged > 0 THEN $6 ELSE meter END,
            meter_usd = CASE WHEN run.uncharged > 0 THEN $4::numeric ELSE meter_usd END,
            worked_ms = CASE WHEN attempt = $8 THEN greatest(worked_ms, $7) ELSE worked_ms END
        FROM run WHERE id = $5
    )
    INSERT INTO usage AS u (user_id, month, slot, sessions, cost_usd)
    SELECT $1, $2, counter_slot('usage'), 0, charge.usd
    FROM (SELECT coalesce((SELECT uncharged FROM run), $4::numeric - $3::numeric) AS usd) AS charge
    WHERE charge.usd > 0
    ON CONFLICT (user_id, month, slot) DO UPDATE SET cost_usd = u.cost_usd + excluded.cost_usd"""
# What was charged before is not given back: a run that was continued by another worker reports only the last part.
CHARGE_RUN = """
    WITH run AS (SELECT greatest(0, $2 - charged_usd) AS uncharged FROM runs WHERE id = $1 FOR UPDATE)
    UPDATE runs SET charged_usd = charged_usd + run.uncharged FROM run WHERE id = $1 AND run.uncharged > 0
    RETURNING run.uncharged"""


@dataclass(frozen=True)
class Used:
    """Usage of a user in a month."""

    sessions: int
    cost_usd: Decimal


def month_of(at: datetime) -> date:
    """Return the first day of the month of a time."""
    return at.astimezone(UTC).date().replace(day=1)


def end_of_month(at: datetime) -> datetime:
    """Return when the month of a time ends, and the quotas of a month start again at 0."""
    first = month_of(at)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return datetime(following.year, following.month, 1, tzinfo=UTC)


async def used_in_month(user_id: UUID, at: datetime, db: Connection | Database) -> Used:
    """Return what a user used in the month of a time."""
    row = await db.fetchrow(USED, user_id, month_of(at)) or {}
    return Used(**row)


async def count_session(recorded: Recorded[Any], db: Connection) -> None:
    """Count a session that an event creates."""
    await db.execute(ADD, recorded.owner, month_of(recorded.at), 1, Decimal(0))


def budget_refusal(limit: Decimal | None, spent: Decimal, at: datetime) -> Refusal | None:
    """Return the refusal of whatever costs money, or None if the user may spend more in the month of a time."""
    if limit is None or spent < limit:
        return None
    return exceeded("budget_per_month_usd", spent, limit, end_of_month(at))


async def add_cost(recorded: Recorded[Any], cost_usd: Decimal, db: Connection) -> None:
    """Add a cost to the month of an event."""
    await db.execute(ADD, recorded.owner, month_of(recorded.at), 0, cost_usd)


async def charge_run(run_id: UUID, cost_usd: Decimal, db: Connection) -> Decimal:
    """Note that the cost of a run is charged, and return what of it was not charged before."""
    return (await db.fetchval(CHARGE_RUN, run_id, cost_usd) if cost_usd else None) or Decimal(0)

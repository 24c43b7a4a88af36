"""The costs of all users, which outlive the sessions that caused them."""

from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

from contracts.session.session import SessionDeleted
from contracts.session.values import Usage
from eventing.database import Connection
from eventing.recording import Recorded

REPORTED_WITHIN = timedelta(days=1)
"""How long the usage of a run of a deleted session is expected; its worker reports it within minutes, or never."""

ADD = """
    INSERT INTO costs AS c (day, user_id, model, template_id, slot, cost_usd, input_tokens, output_tokens, runs)
    SELECT $2, $3, model, template_id, cost_slot($3), $4, $5, $6, ($7 AND started)::int
    FROM attributed_runs WHERE run_id = $1 AND (started OR $8)
    ON CONFLICT (day, user_id, model, template_id, slot) DO UPDATE SET cost_usd = c.cost_usd + excluded.cost_usd,
        input_tokens = c.input_tokens + excluded.input_tokens,
        output_tokens = c.output_tokens + excluded.output_tokens, runs = c.runs + excluded.runs"""
KEEP = """
    INSERT INTO unbilled_runs SELECT a.run_id, a.model, a.template_id, $2
    FROM attributed_runs a JOIN runs r ON r.id = a.run_id
    WHERE a.session_id = $1 AND r.session_id = $1 AND a.started AND r.status = 'cancelled' AND r.ended_at > $3"""


async def add_costs(run_id: UUID, usage: Usage, recorded: Recorded[Any], db: Connection, *, ended: bool) -> None:
    """Add the usage of a run to the costs of the day; a run that was never started has none."""
    used = usage != Usage()
    if ended or used:
        await db.execute(
            ADD,
            run_id, recorded.at.astimezone(UTC).date(), recorded.owner, usage.cost_usd, usage.input_tokens,
            usage.output_tokens, ended, used,
        )  # fmt: skip


async def keep_unbilled(recorded: Recorded[SessionDeleted], db: Connection) -> None:
    """Keep what the usage of cancelled runs is attributed to, before a session is deleted with its runs."""
    earliest = recorded.at - REPORTED_WITHIN
    await db.execute("DELETE FROM unbilled_runs WHERE deleted_at < $1", earliest)
    await db.execute(KEEP, recorded.id, recorded.at, earliest)

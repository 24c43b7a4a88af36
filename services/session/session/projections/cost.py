"""The costs of all users, which outlive the sessions that caused them."""

from datetime import UTC
from typing import Any
from uuid import UUID

from contracts.session.values import Usage
from eventing.database import Connection
from eventing.recording import Recorded

# Agents report the model that answered: the only name of it if neither the session nor the service names one.
ADD = """
    INSERT INTO costs AS c (day, user_id, model, template_id, slot, cost_usd, input_tokens, output_tokens, runs)
    SELECT $2, $3, coalesce(r.model, (
            SELECT left(model, 200) FROM messages WHERE run_id = r.id AND model IS NOT NULL
            ORDER BY sequence_number LIMIT 1
        ), ''), coalesce(o.template_id, '00000000-0000-0000-0000-000000000000'), cost_slot($3), $4, $5, $6,
        ($7 AND r.attempt > 0)::int
    FROM runs r LEFT JOIN session_origins o ON o.session_id = r.session_id
    WHERE r.id = $1 AND (r.attempt > 0 OR $8)
    ON CONFLICT (day, user_id, model, template_id, slot) DO UPDATE SET cost_usd = c.cost_usd + excluded.cost_usd,
        input_tokens = c.input_tokens + excluded.input_tokens,
        output_tokens = c.output_tokens + excluded.output_tokens, runs = c.runs + excluded.runs"""


async def add_costs(run_id: UUID, usage: Usage, recorded: Recorded[Any], db: Connection, *, ended: bool) -> None:
    """Add the usage of a run to the costs of the day; a run that was never started has none."""
    used = usage != Usage()
    if ended or used:
        await db.execute(
            ADD,
            run_id, recorded.at.astimezone(UTC).date(), recorded.owner, usage.cost_usd, usage.input_tokens,
            usage.output_tokens, ended, used,
        )  # fmt: skip

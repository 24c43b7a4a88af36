"""Initialisation of quotas when the service starts."""

from eventing.database import Database
from eventing.due import DueTime
from runtime import clock
from runtime.bus.envelope import Envelope

from session.quotas.concurrency import START_WAITING
from session.quotas.rules import Rules

MAX_STARTED = 1_000
ALL_WAITING = "SELECT session_id, envelope FROM waiting_sessions ORDER BY since, session_id LIMIT $1"


async def apply_rules(rules: Rules, database: Database) -> None:
    """Store the rules, and start the sessions that wait and may start by these rules."""
    at = clock.now()
    async with database.transaction() as connection:
        await rules.store(connection)
        for row in await connection.fetch(ALL_WAITING, MAX_STARTED):
            due = DueTime(row["session_id"], row["session_id"], at)
            await START_WAITING.put(due, Envelope.from_headers(row["envelope"]), connection)

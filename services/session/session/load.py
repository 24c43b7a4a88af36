"""How much work there is, and who does it: what is measured for a scrape of the metrics."""

from eventing.database import Database
from runtime.metrics import Measured, Values, metrics_of

from session.dependencies import Dependencies

MAX_COUNTED = 10_000
"""Rows that are read at most to count what waits."""
# Each is read from an index of unfinished runs alone, however many have ended.
QUEUED = """
    SELECT waits_for, count(*) AS number, extract(epoch FROM now() - min(since))::float8 AS age FROM (
        (SELECT 'turn' AS waits_for, created_at AS since FROM runs
            WHERE requested_at IS NULL AND ended_at IS NULL LIMIT $1)
        UNION ALL
        (SELECT 'worker', requested_at FROM runs
            WHERE requested_at IS NOT NULL AND ended_at IS NULL AND attempt = 0 LIMIT $1)) AS queued
    GROUP BY waits_for"""
PENDING = "SELECT count(*) FROM (SELECT FROM due WHERE kind = $1 LIMIT $2) AS pending"
REASONS = ("turn", "worker")
"""What queued runs wait for: the end of the runs before them in their session, or a worker that starts them."""

_queued = Measured(
    "runs_queued", "Runs that wait for their turn or for a worker", ["waits_for"], registry=metrics_of("session")
)
_queued_age = Measured(
    "runs_queued_age_seconds",
    "How long the run that waits longest has waited; 0 without one",
    ["waits_for"],
    registry=metrics_of("session"),
)
_pending = Measured("approvals_pending", "Approvals that wait for a decision", registry=metrics_of("session"))


async def measure(expiry: str, dependencies: Dependencies, database: Database) -> Values:
    """Return how many runs and approvals wait, and set the gauge of the agents of this replica.

    `expiry` is the kind of due time that each pending approval has, and nothing else.
    """
    dependencies.agents.count()
    rows = {row["waits_for"]: row for row in await database.fetch(QUEUED, MAX_COUNTED)}
    pending: int = await database.fetchval(PENDING, expiry, MAX_COUNTED)
    return {
        _queued: {(reason,): rows[reason]["number"] if reason in rows else 0 for reason in REASONS},
        _queued_age: {(reason,): max(0.0, rows[reason]["age"]) if reason in rows else 0.0 for reason in REASONS},
        _pending: {(): pending},
    }

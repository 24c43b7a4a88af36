"""The number of API calls by day, which the processes of the gateway report."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from eventing.database import Database

RETENTION = timedelta(days=31)


@dataclass(frozen=True)
class ApiCalls:
    """The API calls in the read model, in one row for each process and day."""

    database: Database

    async def record(self, process_id: UUID, calls: Mapping[date, int]) -> None:
        """Store the totals of a process. A lower total than the stored one is an old report, and changes nothing."""
        await self.database.execute(
            "INSERT INTO api_calls AS stored (day, process_id, n) "
            "SELECT day, $1, n FROM unnest($2::date[], $3::bigint[]) AS reported (day, n) "
            "ON CONFLICT (day, process_id) DO UPDATE SET n = greatest(stored.n, excluded.n)",
            process_id,
            [*calls],
            [*calls.values()],
        )

    async def count(self, day: date) -> int:
        """Return the number of API calls on a day."""
        return await self.database.fetchval("SELECT coalesce(sum(n), 0)::bigint FROM api_calls WHERE day = $1", day)

    async def remove_old(self, today: date) -> None:
        """Delete the numbers of more than 31 days ago."""
        await self.database.execute("DELETE FROM api_calls WHERE day < $1", today - RETENTION)

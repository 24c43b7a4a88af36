"""The calls of tools that an agent may have begun, stored before they begin.

Claude Code writes its transcript a tenth of a second later. So a worker that continues the run learns of the last calls
from here, and the next agent from its prompt.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from uuid import UUID

from contracts.session.settling import LostCall
from eventing.retrying import retry_transient
from prometheus_client import Histogram
from runtime.logging import get_logger
from runtime.metrics import metrics_of

from session.agent.transcript import Database

log = get_logger()

_wait = Histogram(
    "tool_call_wait_seconds",
    "How long calls of tools have waited until they were stored; those that change nothing do not wait",
    buckets=(0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 25, 50),
    registry=metrics_of("session"),
)

STORE_SECONDS = 25.0
"""How long a call waits until it is stored; outages of the database are retried for a little longer."""
MAX_READ = 1_000
"""The number of calls of a run that are read, the newest: far more than an agent makes at the same time."""
# The lock lets a worker that takes over the run wait for the insertion; afterwards there is no row for this attempt.
BEGIN = """
    INSERT INTO begun_calls (session_id, run_id, call)
    SELECT session_id, run_id, $4 FROM (
        SELECT session_id, run_id FROM conversations WHERE session_id = $1 AND run_id = $2 AND attempt = $3 FOR SHARE
    ) AS writer
    RETURNING id"""
BEGUN = "SELECT call FROM begun_calls WHERE session_id = $1 AND run_id = $2 ORDER BY id DESC LIMIT $3"


class BegunCalls:
    """The calls of one agent; `writer` returns the run for which it makes them, and the attempt of its worker."""

    def __init__(self, database: Database, session_id: UUID, writer: Callable[[], tuple[UUID | None, int]]) -> None:
        self._database, self._session, self._writer = database, session_id, writer

    async def store(self, call: LostCall) -> bool:
        """Store a call; return whether it may begin: not if that takes too long, or if the worker has lost its run.

        Calls of an agent that works for no run are stored nowhere.
        """
        run_id, attempt = self._writer()
        if run_id is None:
            return True
        row = self._session, run_id, attempt, call.model_dump_json()
        try:
            with _wait.time():
                async with asyncio.timeout(STORE_SECONDS):
                    return await retry_transient(partial(self._database.fetchval, BEGIN, *row)) is not None
        except Exception as error:  # noqa: BLE001  the agent goes on without the call
            log.warning("tool call could not be stored", tool=call.tool_name, error=repr(error))
            return False


async def read_begun(database: Database, session_id: UUID, run_id: UUID) -> dict[str, LostCall]:
    """Return the calls that the agents of a run may have begun, by the model's ids of them, in order."""
    rows = await retry_transient(partial(database.fetch, BEGUN, session_id, run_id, MAX_READ))
    calls = [LostCall.model_validate_json(row["call"]) for row in reversed(rows)]
    return {call.tool_use_id: call for call in calls}

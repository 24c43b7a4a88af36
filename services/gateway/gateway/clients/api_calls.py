"""Counts the API calls of each day, for the statistics of administrators."""

import asyncio
from contextlib import suppress
from datetime import date

from contracts.identity.statistics import MAX_REPORTED_DAYS, RecordApiCalls
from contracts.refusals import Refusal
from runtime import clock
from runtime.bus import Bus, Unavailable
from runtime.bus.envelope import Envelope

REPORT_SECONDS = 5.0
LAST_REPORT_SECONDS = 1.0


class ApiCalls:
    """Counts the calls that this process answers, and reports the totals to the identity service every 5 s.

    The reports hold totals, so that a report whose reply was lost is sent again without counting twice. A process that
    is killed takes the calls since its last report with it.
    """

    def __init__(self, bus: Bus) -> None:
        self.bus, self.process_id = bus, clock.new_id()
        self.totals: dict[date, int] = {}
        self._reported: dict[date, int] = {}

    def count(self) -> None:
        """Count a call."""
        today = clock.now().date()
        self.totals[today] = self.totals.get(today, 0) + 1

    async def stay_reported(self) -> None:
        """Pause, and report the totals if they have changed; to be run repeatedly."""
        await asyncio.sleep(REPORT_SECONDS)
        await self._report()

    async def report_last(self) -> None:
        """Report the totals at shutdown, if the identity service answers within a second."""
        with suppress(Unavailable, Refusal, TimeoutError):
            async with asyncio.timeout(LAST_REPORT_SECONDS):
                await self._report()

    async def _report(self) -> None:
        totals = {day: self.totals[day] for day in sorted(self.totals)[-MAX_REPORTED_DAYS:]}
        if totals == self._reported:
            return
        await self.bus.ask(RecordApiCalls(process_id=self.process_id, calls=totals), Envelope.begin())
        self._reported = totals
        # Days that were over before the report are stored now. Today may have begun since.
        self.totals = {day: total for day, total in self.totals.items() if day >= max(totals)}

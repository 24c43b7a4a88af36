"""Processing due times in a test, one claim at a time."""

import asyncio

from eventing.due_times import DueTimes


async def process_due[T](due_times: DueTimes[T]) -> int:
    """Claim due times once, process them, and return their number."""
    rows = await due_times.claim()
    await asyncio.gather(*map(due_times.process, rows))
    return len(rows)

"""Invariants of the audit log after all faults: exactly one entry for each change of every service."""

from collections import Counter
from contextlib import suppress

from contracts.catalogue import EVENTS
from contracts.wire import event_name
from eventing.database import Database
from identity.app import service as identity
from identity.audit_log import is_change
from runtime.testing import eventually

from tests.chaos.waiting import QUIET_SECONDS

STORED = (
    "SELECT split_part(topic, ';', 1) AS subject, originator_id AS id FROM events "
    "WHERE split_part(topic, ';', 1) = ANY($1)"
)
# Of changes, those that have an event: other actions are names of operations, without a dot.
RECORDED = "SELECT action, resource_id FROM audit_log WHERE outcome = 'succeeded' AND action LIKE '%.%'"

type Changes = Counter[tuple[str, str]]


async def violations(database_url: str) -> list[str]:
    """Return what is missing in the audit log, or in it twice, a sentence each."""
    stored: Changes = Counter()
    for service in EVENTS:
        stored += await _stored(database_url, service)
    recorded: Changes = Counter()

    async def complete() -> bool:
        nonlocal recorded
        recorded = await _recorded(database_url)
        return recorded.total() >= stored.total()

    with suppress(TimeoutError):  # what is missing is reported below
        await eventually(complete, within=QUIET_SECONDS)
    lost, repeated = stored - recorded, recorded - stored
    found = [f"{action} of {id} is missing {n} times in the audit log" for (action, id), n in lost.items()]
    return found + [f"{action} of {id} is {n} times too often in it" for (action, id), n in repeated.items()]


async def _stored(url: str, service: str) -> Changes:
    subjects = [event.subject for event in EVENTS[service] if is_change(event)]
    async with Database.open(url, service) as database:
        rows = await database.fetch(STORED, subjects)
    return Counter((event_name(row["subject"]), str(row["id"])) for row in rows)


async def _recorded(url: str) -> Changes:
    async with Database.open(url, identity.name) as database:
        rows = await database.fetch(RECORDED)
    return Counter((row["action"], str(row["resource_id"])) for row in rows)

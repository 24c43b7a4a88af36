"""Handlers of commands about the audit log."""

from contracts.identity.audit import RecordEntries
from eventing.handling import Handlers

from identity.dependencies import Work

handles = Handlers()


@handles
async def record_entries(command: RecordEntries, work: Work) -> None:
    """Add refused requests, and changes of what has no events, to the audit log."""
    await work.dependencies.audit.add_all(command.entries)

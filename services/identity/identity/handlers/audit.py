"""Handlers of commands about the audit log."""

from contracts.identity.audit import RecordRefusals
from eventing.handling import Handlers

from identity.dependencies import Work

handles = Handlers()


@handles
async def record_refusals(command: RecordRefusals, work: Work) -> None:
    """Add refused requests to the audit log. They are no events: nothing was changed."""
    await work.dependencies.audit.add_refusals(command.entries)

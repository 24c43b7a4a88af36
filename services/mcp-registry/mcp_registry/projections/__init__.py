"""The read models of the mcp-registry service, one module per subject, updated in the transaction of the event."""

from contracts.mcp_registry import ServerEvent
from contracts.mcp_registry.check import CheckEvent
from eventing.database import Connection
from eventing.recording import Recorded

from mcp_registry.projections.check import project_check
from mcp_registry.projections.server import project_lifecycle


async def project(recorded: Recorded[ServerEvent], db: Connection) -> None:
    """Update the read model with one event, by its subject."""
    event = recorded.event
    if isinstance(event, CheckEvent):
        await project_check(event, recorded, db)
    else:
        await project_lifecycle(event, recorded, db)

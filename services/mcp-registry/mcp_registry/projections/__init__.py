"""The read models of the mcp-registry service, one module per subject, updated in the transaction of the event."""

from contracts.mcp_registry import ServerEvent
from contracts.mcp_registry.authorization import AuthorizationEvent
from contracts.mcp_registry.check import CheckEvent
from contracts.mcp_registry.refresh import RefreshEvent
from contracts.mcp_registry.revocation import RevocationEnded, RevocationEvent, RevocationRequested, RevokedTokensSet
from eventing.database import Connection
from eventing.recording import Recorded

from mcp_registry.projections.authorization import project_authorization, project_refresh
from mcp_registry.projections.check import project_check
from mcp_registry.projections.revocation import project_revocation
from mcp_registry.projections.server import project_lifecycle


async def project(recorded: Recorded[ServerEvent | RevocationEvent], db: Connection) -> None:
    """Update the read model with one event, by its subject."""
    event = recorded.event
    if isinstance(event, CheckEvent):
        await project_check(event, recorded, db)
    elif isinstance(event, AuthorizationEvent):
        await project_authorization(event, recorded, db)
    elif isinstance(event, RefreshEvent):
        await project_refresh(event, recorded, db)
    elif isinstance(event, RevocationRequested | RevokedTokensSet | RevocationEnded):
        await project_revocation(event, recorded, db)
    else:
        await project_lifecycle(event, recorded, db)

"""The read models of the mcp-registry service, one module per subject, updated in the transaction of the event."""

from contracts.mcp_registry import ServerEvent
from contracts.mcp_registry.revocation import RevocationEvent
from eventing.projections import Projections

from mcp_registry.projections.authorization import project_authorization, project_refresh
from mcp_registry.projections.check import project_check
from mcp_registry.projections.revocation import project_revocation
from mcp_registry.projections.server import project_lifecycle

project = Projections(
    ServerEvent | RevocationEvent,
    *(project_check, project_authorization, project_refresh, project_revocation, project_lifecycle),
)

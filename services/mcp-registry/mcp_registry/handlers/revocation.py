"""The handler of the command that ends a revocation."""

from contracts.mcp_registry.revocation import EndRevocation
from eventing.handling import Handlers

from mcp_registry.aggregate import Revocation
from mcp_registry.dependencies import Work

handles = Handlers()


@handles
async def end_revocation(command: EndRevocation, work: Work) -> None:
    """Record that tokens were revoked, or that this was given up."""
    async with work.change(Revocation, command.revocation_id) as revocation:
        revocation.end(revoked=command.revoked)

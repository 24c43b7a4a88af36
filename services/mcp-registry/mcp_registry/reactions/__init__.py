"""The reactions of the mcp-registry service, one module per subject."""

from eventing.reactions import Reactions

from mcp_registry.reactions import check

reactions = Reactions.merge(check.reactions)

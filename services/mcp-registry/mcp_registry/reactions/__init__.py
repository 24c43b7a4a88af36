"""The reactions of the mcp-registry service, one module per subject."""

from eventing.reactions import Reactions

from mcp_registry.reactions import authorization, check, refresh, revocation

reactions = Reactions.merge(check.reactions, authorization.reactions, refresh.reactions, revocation.reactions)

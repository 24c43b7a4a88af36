"""The reactions of the identity service."""

from contracts.identity.events import TokenFamilyRevoked
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from identity.dependencies import Dependencies

reactions = Reactions()


@reactions.shared("tell_gateways")
async def publish_revocation(recorded: Recorded[TokenFamilyRevoked], reaction: Reaction[Dependencies]) -> None:
    """Publish a revoked token family, so that every gateway refuses its access tokens."""
    await reaction.dependencies.revocations.add(recorded.event.family_id, recorded.event.reason)

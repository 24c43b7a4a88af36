"""What the identity service does when it hears an event."""

from contracts.identity.events import TokenFamilyRevoked
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from identity.dependencies import Dependencies

reactions = Reactions()


@reactions.shared("tell_gateways")
async def tell_gateways(recorded: Recorded[TokenFamilyRevoked], reaction: Reaction[Dependencies]) -> None:
    """Let every gateway refuse the access tokens of a revoked family."""
    await reaction.dependencies.revocations.add(recorded.event.family_id, recorded.event.reason)

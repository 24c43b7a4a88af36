"""What the identity service does when it hears a fact."""

from contracts.identity.events import TokenFamilyRevoked
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from identity.tools import Tools

reactions = Reactions()


@reactions.shared("tell_gateways")
async def tell_gateways(recorded: Recorded[TokenFamilyRevoked], reaction: Reaction[Tools]) -> None:
    """Let every gateway refuse the access tokens of a revoked family."""
    await reaction.tools.revocations.add(recorded.fact.family_id, recorded.fact.reason)

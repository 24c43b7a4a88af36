"""The reactions of the identity service: every gateway learns at once what is no longer valid."""

from contracts.identity.api_key import ApiKeyRevoked
from contracts.identity.login import TokenFamilyRevoked
from contracts.identity.user import RoleChanged, UserDisabled, UserEnabled
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from identity.dependencies import Dependencies

reactions = Reactions()


@reactions.shared("tell_gateways")
async def publish_revocation(recorded: Recorded[TokenFamilyRevoked], reaction: Reaction[Dependencies]) -> None:
    """Publish a revoked token family, so that every gateway refuses its access tokens."""
    await reaction.dependencies.revocations.add(recorded.event.family_id, recorded.event.reason)


@reactions.shared("publish_revoked_key")
async def publish_revoked_key(recorded: Recorded[ApiKeyRevoked], reaction: Reaction[Dependencies]) -> None:
    """Publish a revoked API key, so that every gateway refuses it."""
    await reaction.dependencies.revocations.add(recorded.event.key_id, "api_key")


@reactions.shared("publish_role")
async def publish_role(recorded: Recorded[RoleChanged], reaction: Reaction[Dependencies]) -> None:
    """Publish the new role of a user, which is in force for all tokens and keys."""
    await reaction.dependencies.revocations.publish_access(recorded.id)


@reactions.shared("publish_disabled")
async def publish_disabled(recorded: Recorded[UserDisabled], reaction: Reaction[Dependencies]) -> None:
    """Publish that an account is disabled, so that every gateway refuses its tokens and keys."""
    await reaction.dependencies.revocations.publish_access(recorded.id)


@reactions.shared("publish_enabled")
async def publish_enabled(recorded: Recorded[UserEnabled], reaction: Reaction[Dependencies]) -> None:
    """Publish that an account is enabled again, so that the gateways accept its keys."""
    await reaction.dependencies.revocations.publish_access(recorded.id)

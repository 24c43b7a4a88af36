"""The reactions of the identity service: every gateway learns at once what is no longer valid, and so does NATS."""

from collections.abc import Callable

from contracts.identity.api_key import ApiKeyRevoked
from contracts.identity.bus_user import BusUserCreated, BusUserReplayed, BusUserRevoked
from contracts.identity.login import TokenFamilyRevoked
from contracts.identity.user import RoleChanged, UserDisabled, UserEnabled
from eventing.reactions import React, Reaction, Reactions
from eventing.recording import Recorded

from identity.dependencies import Dependencies

reactions = Reactions()


def until_it_succeeds[R: React](name: str) -> Callable[[R], R]:
    """Register a reaction that takes access away, which is therefore never given up."""
    return lambda react: reactions.shared(name, on_dead_letter=react)(react)


@reactions.shared("tell_gateways")
async def publish_revocation(recorded: Recorded[TokenFamilyRevoked], reaction: Reaction[Dependencies]) -> None:
    """Publish a revoked token family, so that every gateway refuses its access tokens."""
    await reaction.dependencies.revocations.add(recorded.event.family_id, recorded.event.reason)


@reactions.shared("publish_revoked_key")
async def publish_revoked_key(recorded: Recorded[ApiKeyRevoked], reaction: Reaction[Dependencies]) -> None:
    """Publish a revoked API key, so that every gateway refuses it."""
    await reaction.dependencies.revocations.add(recorded.event.key_id, "api_key")


@until_it_succeeds("publish_role")
async def publish_role(recorded: Recorded[RoleChanged], reaction: Reaction[Dependencies]) -> None:
    """Publish the new role of a user, which is in force for all tokens and keys.

    Bus users that get the events of all users are disconnected unless it is an administrator.
    """
    await reaction.dependencies.revocations.publish_access(recorded.id)
    if recorded.event.role != "admin":
        programs = reaction.dependencies.programs
        every = [each.id for each in await programs.directory.of_user(recorded.id) if each.all_users]
        await programs.disconnect(*every)


@until_it_succeeds("publish_disabled")
async def publish_disabled(recorded: Recorded[UserDisabled], reaction: Reaction[Dependencies]) -> None:
    """Publish that an account is disabled, so that every gateway refuses its tokens and keys.

    Its bus users are disconnected.
    """
    await reaction.dependencies.revocations.publish_access(recorded.id)
    programs = reaction.dependencies.programs
    await programs.disconnect(*(each.id for each in await programs.directory.of_user(recorded.id)))


@reactions.shared("publish_enabled")
async def publish_enabled(recorded: Recorded[UserEnabled], reaction: Reaction[Dependencies]) -> None:
    """Publish that an account is enabled again, so that the gateways accept its keys."""
    await reaction.dependencies.revocations.publish_access(recorded.id)


@reactions.shared("create_public_stream")
async def create_public_stream(recorded: Recorded[BusUserCreated], reaction: Reaction[Dependencies]) -> None:
    """Create the stream of public events again if it was lost since the bus user was created."""
    if gatekeeper := reaction.dependencies.programs.gatekeeper:
        await gatekeeper.ensure_stream()


@until_it_succeeds("disconnect_revoked")
async def disconnect_revoked(recorded: Recorded[BusUserRevoked], reaction: Reaction[Dependencies]) -> None:
    """End the connections of a bus user that was revoked."""
    await reaction.dependencies.programs.disconnect(recorded.event.bus_user_id)


@until_it_succeeds("disconnect_replayed")
async def disconnect_replayed(recorded: Recorded[BusUserReplayed], reaction: Reaction[Dependencies]) -> None:
    """End the connections of a bus user that begins again: it does so when it connects."""
    await reaction.dependencies.programs.disconnect(recorded.event.bus_user_id)

"""Handlers of commands about API keys."""

from contracts.identity.api_key import (
    ApiKeyCreated,
    CreateApiKey,
    GetApiKey,
    NewApiKeyView,
    RecordApiKeyUses,
    RevokeApiKey,
)
from eventing.handling import Handlers
from runtime.secrets.api_key import ApiKeyText

from identity.aggregate import User
from identity.dependencies import Work

handles = Handlers()


@handles
async def create_api_key(command: CreateApiKey, work: Work) -> NewApiKeyView:
    """Create an API key, whose text is returned only now."""
    key = ApiKeyText.new(command.key_id)
    created = ApiKeyCreated(key_id=key.id, name=command.name, scopes=command.scopes, expires_at=command.expires_at)
    async with work.change(User, command.user_id) as user:
        user.create_api_key(created, key.secret_hash, work.actor.user_id, work.now)
    view = await work.ask(GetApiKey(key_id=key.id))
    return NewApiKeyView(**dict(view), key=str(key))


@handles
async def revoke_api_key(command: RevokeApiKey, work: Work) -> None:
    """Revoke an API key of the actor, or as an administrator any key."""
    key = await work.ask(GetApiKey(key_id=command.key_id))
    async with work.change(User, key.user_id) as user:
        user.revoke_api_key(key.id)


@handles
async def record_api_key_uses(command: RecordApiKeyUses, work: Work) -> None:
    """Store when API keys were last used. That is no event: it would be one for almost every request."""
    await work.dependencies.directory.record_api_key_uses(command.uses)

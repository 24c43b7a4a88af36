"""All messages about API keys, by which programs authenticate."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.identity.values import Scope
from contracts.messages import Actor, Command, Event, KeysetWindow, Message, Page, Query, View
from contracts.samples import API_KEY, TIME, USER


class ApiKeyView(View):
    """An API key, without its secret."""

    sample = {
        "id": API_KEY,
        "user_id": USER,
        "name": "CI",
        "scopes": ["read", "write"],
        "created_at": TIME,
        "expires_at": None,
        "last_used_at": None,
    }

    id: UUID = Field(description="Id of the API key, which is not its text.")
    user_id: UUID = Field(description="Id of the account that the key belongs to.")
    name: str = Field(description="What the key is used for.")
    scopes: list[Scope] = Field(description="What the key may be used for: `read`, `write`, `admin`.")
    created_at: datetime = Field(description="Time of creation.")
    expires_at: datetime | None = Field(description="Time from which on the key is refused; null for never.")
    last_used_at: datetime | None = Field(
        description="Time of the last use, exact to about a minute; null if there is none."
    )


class NewApiKeyView(ApiKeyView):
    """An API key with its text, which is shown only now."""

    sample = ApiKeyView.sample | {"key": "agk_0197a1f0000070008000000000000016_dGhpcyBpcyBub3QgYSBrZXk"}

    key: str = Field(repr=False, description="The API key; it is not shown again.")


class ApiKeyHolder(Message):
    """The user that an API key authenticates, with their current role, and what the key may be used for."""

    actor: Actor
    scopes: list[Scope]
    expires_at: datetime | None


class GetApiKey(Query[ApiKeyView]):
    """Return an API key of the actor."""

    subject = "qry.identity.get_api_key"
    senders = ()
    sample = {"key_id": API_KEY}

    key_id: UUID


class ListApiKeys(KeysetWindow, Query[Page[ApiKeyView]]):
    """Return the API keys of a user, newest first."""

    subject = "qry.identity.list_api_keys"
    sample = {"user_id": USER}

    user_id: UUID


class VerifyApiKey(Query[ApiKeyHolder]):
    """Return whom an API key authenticates; refused if it does not exist, has expired, or its user is disabled."""

    subject = "qry.identity.verify_api_key"
    sample = {"key_id": API_KEY, "secret_hash": "9f86d0"}

    key_id: UUID
    secret_hash: str = Field(repr=False)


class CreateApiKey(Command[NewApiKeyView]):
    """Create an API key of a user: of the actor, or of a service account if the actor is an administrator."""

    subject = "cmd.identity.create_api_key"
    sample = {"key_id": API_KEY, "user_id": USER, "name": "CI", "scopes": ["read", "write"], "expires_at": TIME}

    key_id: UUID
    user_id: UUID
    name: str
    scopes: list[Scope]
    expires_at: datetime | None = None


class RevokeApiKey(Command[None]):
    """Revoke an API key."""

    subject = "cmd.identity.revoke_api_key"
    sample = {"key_id": API_KEY}

    key_id: UUID


class RecordApiKeyUses(Command[None]):
    """Store when API keys were last used, by the ids of the keys."""

    subject = "cmd.identity.record_api_key_uses"
    sample = {"uses": {API_KEY: TIME}}

    uses: dict[UUID, datetime]


class ApiKeyCreated(Event):
    """An API key was created.

    The event `ApiKeySecretSet` beside it has the hash of its secret.
    """

    subject = "evt.identity.api_key_created"
    resource = ("api_key", "key_id")
    sample = {"key_id": API_KEY, "name": "CI", "scopes": ["read", "write"], "expires_at": TIME}

    key_id: UUID
    name: str
    scopes: list[Scope]
    expires_at: datetime | None


class ApiKeySecretSet(Event):
    """The secret of a new API key was set; `secret_hash` is its SHA-256."""

    subject = "evt.identity.api_key_secret_set"
    published = False
    sample = {"key_id": API_KEY, "secret_hash": "9f86d0"}

    key_id: UUID
    secret_hash: str = Field(repr=False)


class ApiKeyRevoked(Event):
    """An API key was revoked, or removed because it had expired."""

    subject = "evt.identity.api_key_revoked"
    resource = ("api_key", "key_id")
    sample = {"key_id": API_KEY}

    key_id: UUID


ApiKeyEvent = ApiKeyCreated | ApiKeySecretSet | ApiKeyRevoked

"""The queries of the identity service."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.identity.values import Role
from contracts.messages import Actor, Message, Query
from contracts.samples import USER


class UserView(Message):
    """An account, as its owner sees it."""

    id: UUID
    email: str
    username: str
    full_name: str | None
    role: Role
    is_active: bool
    created_at: datetime


class TokensView(Message):
    """The tokens of a login or a refresh. `expires_in` and `refresh_expires_in` are in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


class KeysView(Message):
    """The public keys that verify access tokens, as a JWK Set (RFC 7517)."""

    keys: list[dict[str, str]]


class GetUser(Query[UserView]):
    """Return one account."""

    subject = "qry.identity.get_user"
    sample = {"user_id": USER}

    user_id: UUID


class GetActor(Query[Actor]):
    """Return a user with their current role, for other services; refused if the user does not exist or is disabled."""

    subject = "qry.identity.get_actor"
    sample = {"user_id": USER}

    user_id: UUID


class GetKeys(Query[KeysView]):
    """Return the public keys that verify access tokens."""

    subject = "qry.identity.get_keys"
    sample = {}

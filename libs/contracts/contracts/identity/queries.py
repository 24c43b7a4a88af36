"""What the identity service answers."""

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
    """What a client holds after a login. Lifetimes are in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


class KeysView(Message):
    """The public half of the key ring, a JWK Set (RFC 7517)."""

    keys: list[dict[str, str]]


class GetUser(Query[UserView]):
    """Asks for one account."""

    subject = "qry.identity.get_user"
    sample = {"user_id": USER}

    user_id: UUID


class GetActor(Query[Actor]):
    """Asks with which role a user acts at present; refused when the user is gone or disabled. For other services."""

    subject = "qry.identity.get_actor"
    sample = {"user_id": USER}

    user_id: UUID


class GetKeys(Query[KeysView]):
    """Asks for the keys that verify access tokens."""

    subject = "qry.identity.get_keys"
    sample = {}

"""Value types of accounts."""

from typing import Literal

from contracts.messages import Message

type Role = Literal["admin", "user", "viewer"]

type Scope = Literal["read", "write", "admin"]
"""What an API key may be used for: requests that read, requests that change something, the routes of administrators."""


class Access(Message):
    """The role of a user, and whether the account is active, as of the event `version` of the account."""

    version: int
    role: Role
    is_active: bool

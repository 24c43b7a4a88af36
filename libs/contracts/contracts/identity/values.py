"""Value types of accounts."""

from typing import Literal
from uuid import UUID

from contracts.messages import Message

OPERATOR_ID = UUID(int=0)
"""The id of the actor of what an operator does on the machine: no account has it."""

type Role = Literal["admin", "user", "viewer"]

type Scope = Literal["read", "write", "admin"]
"""What an API key may be used for: requests that read, requests that change something, the routes of administrators."""


class Access(Message):
    """The role of a user, and whether the account is active, as of the event `version` of the account."""

    version: int
    role: Role
    is_active: bool

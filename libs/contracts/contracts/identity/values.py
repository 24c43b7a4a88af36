"""Value types of accounts."""

from decimal import Decimal
from typing import Literal, get_args
from uuid import UUID

from pydantic import Field

from contracts.messages import Message

OPERATOR_ID = UUID(int=0)
"""The id of the actor of what an operator does on the machine: no account has it."""

type Role = Literal["admin", "user", "viewer"]

ROLES: tuple[Role, ...] = get_args(Role.__value__)

type Scope = Literal["read", "write", "admin"]
"""What an API key may be used for: requests that read, requests that change something, the routes of administrators."""


class Access(Message):
    """The role of a user, and whether the account is active, as of the event `version` of the account."""

    version: int
    role: Role
    is_active: bool


class Quotas(Message):
    """The quotas of a user: how much their sessions may use. None: not set, the default of the user's role applies.

    A month is a calendar month in UTC.
    """

    concurrent_runs: int | None = Field(default=None, ge=0, le=1_000_000)
    sessions_per_month: int | None = Field(default=None, ge=0, le=1_000_000_000)
    storage_bytes: int | None = Field(default=None, ge=0, le=2**60)
    budget_per_month_usd: Decimal | None = Field(default=None, ge=0, le=1_000_000_000, decimal_places=6)

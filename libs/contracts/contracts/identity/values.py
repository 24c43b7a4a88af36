"""Value types of accounts."""

from decimal import Decimal
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


class Quotas(Message):
    """The quotas of a user that administrators have set; for one that is None, the default of the role applies."""

    concurrent_runs: int | None = None
    sessions_per_month: int | None = None
    storage_bytes: int | None = None
    budget_per_month_usd: Decimal | None = None

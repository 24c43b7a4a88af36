"""The accounts, found by other properties than their ids, and the columns that only logins read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from eventing.database import Database

ADMINS = "SELECT FROM users WHERE role = 'admin' AND is_active AND NOT is_service_account"
"""The active administrators who can log in."""
ACCOUNT = "SELECT id, email, is_service_account, password_hash FROM users "


@dataclass(frozen=True)
class Account:
    """The part of an account that a login is checked against."""

    id: UUID
    email: str
    is_service_account: bool
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True)
class Directory:
    """The accounts in the read model."""

    database: Database

    async def find_account(self, email: str) -> Account | None:
        """Return the account with an e-mail address, or None."""
        row = await self.database.fetchrow(ACCOUNT + "WHERE email = $1", email)
        return Account(**row) if row else None

    async def account(self, user_id: UUID) -> Account | None:
        """Return the account of a user, or None."""
        row = await self.database.fetchrow(ACCOUNT + "WHERE id = $1", user_id)
        return Account(**row) if row else None

    async def has_admin(self) -> bool:
        """Return whether there is an active administrator who can log in."""
        return await self.database.fetchval(f"SELECT EXISTS ({ADMINS})")

    async def record_api_key_uses(self, uses: Mapping[UUID, datetime]) -> None:
        """Store when API keys were last used. An earlier time than the stored one changes nothing."""
        await self.database.execute(
            "UPDATE api_keys SET last_used_at = greatest(last_used_at, used_at) "
            "FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, used_at) WHERE api_keys.id = used.id",
            [*uses],
            [*uses.values()],
        )

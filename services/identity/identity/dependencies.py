"""The dependencies of the identity service's handlers and reactions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from eventing.database import Database
from runtime.bus import Client
from runtime.forever import forever

from identity.keys import KeyRing
from identity.passwords import Passwords
from identity.revocations import Revocations
from identity.settings import Settings


@dataclass(frozen=True)
class Dependencies:
    """The dependencies of one replica, shared by all its handlers and reactions."""

    keys: KeyRing
    passwords: Passwords
    directory: "Directory"
    revocations: Revocations
    registration_open: bool


@dataclass(frozen=True)
class Account:
    """The part of an account that a login is checked against."""

    id: UUID
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True)
class Directory:
    """The accounts, found by other properties than their ids."""

    database: Database

    async def find_account(self, email: str) -> Account | None:
        """Return the account with an e-mail address, or None."""
        row = await self.database.fetchrow("SELECT id, password_hash FROM users WHERE email = $1", email)
        return Account(**row) if row else None

    async def has_admin(self) -> bool:
        """Return whether there is an administrator."""
        return await self.database.fetchval("SELECT EXISTS (SELECT FROM users WHERE role = 'admin')")


@asynccontextmanager
async def dependencies(settings: Settings, database: Database, client: Client) -> AsyncGenerator[Dependencies]:
    """Create the dependencies, and keep the bucket of revocations filled while the context is open.

    Raises:
        InvalidKeyRing: the key ring cannot be used.
    """
    keys = KeyRing.read(settings.key_ring_file)
    revocations = Revocations(client, database)
    await revocations.fill()
    # Not in a TaskGroup, which would wrap an exception from inside the context in an ExceptionGroup.
    upkeep = asyncio.get_running_loop().create_task(forever("revocations", revocations.refresh))
    try:
        yield Dependencies(keys, Passwords(), Directory(database), revocations, settings.registration_open)
    finally:
        upkeep.cancel()

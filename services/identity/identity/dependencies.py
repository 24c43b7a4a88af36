"""What the identity service's handlers and reactions work with."""

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
    """Keys, passwords, the directory of accounts, and the list of revoked families."""

    keys: KeyRing
    passwords: Passwords
    directory: "Directory"
    revocations: Revocations
    registration_open: bool


@dataclass(frozen=True)
class Account:
    """What a login is checked against."""

    id: UUID
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True)
class Directory:
    """Finds accounts by what people know of them."""

    database: Database

    async def account_of(self, email: str) -> Account | None:
        """Return the account with an e-mail address."""
        row = await self.database.fetchrow("SELECT id, password_hash FROM users WHERE email = $1", email)
        return Account(**row) if row else None

    async def has_admin(self) -> bool:
        """Whether there is an administrator."""
        return await self.database.fetchval("SELECT EXISTS (SELECT FROM users WHERE role = 'admin')")


@asynccontextmanager
async def dependencies(settings: Settings, database: Database, client: Client) -> AsyncGenerator[Dependencies]:
    """Make the tools; a broken key ring ends the start."""
    keys = KeyRing.read(settings.key_ring_file)
    revocations = Revocations(client, database)
    await revocations.fill()
    # Not in a TaskGroup, which would wrap what is raised inside the context.
    keeping = asyncio.get_running_loop().create_task(forever("revocations", revocations.keep))
    try:
        yield Dependencies(keys, Passwords(), Directory(database), revocations, settings.registration_open)
    finally:
        keeping.cancel()

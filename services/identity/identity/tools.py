"""What the identity service's handlers and reactions work with."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from eventing.database import Database
from eventing.streams import jetstream
from nats.aio.client import Client

from identity.keys import KeyRing
from identity.passwords import Passwords
from identity.revocations import Revocations
from identity.settings import Settings


@dataclass(frozen=True)
class Tools:
    """Keys, passwords, the directory of accounts, and the list of revoked families."""

    keys: KeyRing
    passwords: Passwords
    directory: "Directory"
    revocations: Revocations
    registration_open: bool


@dataclass(frozen=True)
class Directory:
    """Finds accounts by what people know of them."""

    database: Database

    async def user_of(self, email: str) -> UUID | None:
        """Give the account with an e-mail address."""
        return await self.database.fetchval("SELECT id FROM users WHERE email = $1", email)

    async def has_admin(self) -> bool:
        """Whether there is an administrator."""
        return await self.database.fetchval("SELECT EXISTS (SELECT FROM users WHERE role = 'admin')")


@asynccontextmanager
async def tools(settings: Settings, database: Database, client: Client) -> AsyncGenerator[Tools]:
    """Make the tools; a broken key ring ends the start."""
    keys = KeyRing.read(settings.key_ring_file)
    revocations = await Revocations.open(jetstream(client))
    yield Tools(keys, Passwords(), Directory(database), revocations, settings.registration_open)

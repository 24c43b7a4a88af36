"""Commands for operators.

`python -m eventing reread <service>` fixes a relay after a failover or a restore (docs/runbooks/relay.md).
`python -m eventing rotate-keys <service>` wraps all data keys by the newest master key (docs/runbooks/keys.md).
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import Field
from runtime import bus, logging
from runtime.bus.jetstream import jetstream
from runtime.secrets.key_ring import InvalidKeyRing
from runtime.secrets.sealing import SecretUnreadable
from runtime.settings import InvalidSettings, Settings, load
from runtime.usage import show_help

from eventing.database import Database
from eventing.relay.reread import NoCommonEvent, NotAllowed, RelayRunning, reread
from eventing.secrets.key_ring import SecretsSettings

USAGE = """usage: DATABASE_URL=... NATS_URL=... python -m eventing reread <service>
           continue a stopped relay after a failover or a restore; after a restore from a dump, events are
           renumbered with the role in MIGRATION_DATABASE_URL
       DATABASE_URL=... SECRETS_KEY_FILE=... python -m eventing rotate-keys <service>
           wrap all data keys with the newest master key"""


class Stores(Settings):
    """The addresses of the service's database and of the bus, from the same variables that the service reads."""

    database_url: str = Field(repr=False)
    migration_database_url: str | None = Field(default=None, repr=False)
    nats_url: str = Field(repr=False)

    @property
    def owner_url(self) -> str:
        """The address with the role that owns the tables: only that one may renumber events."""
        return self.migration_database_url or self.database_url


async def _reread(stores: Stores, service: str) -> str:
    async with (
        Database.open(stores.owner_url, service) as database,
        bus.connected(stores.nats_url, service) as client,
    ):
        return str(await reread(database, jetstream(client), service))


class KeySettings(SecretsSettings):
    """The address of the service's database, and its ring of master keys."""

    database_url: str = Field(repr=False)


async def _rotate_keys(settings: KeySettings, service: str) -> str:
    ring = settings.key_ring()
    async with Database.open(settings.database_url, service, ring=ring) as database:
        count = await database.data_keys.rotate(database)
        left = await database.data_keys.count_by_master_key(database)
    counts = ", ".join(f"{key_id}: {n}" for key_id, n in left.items())
    return f"{count} data keys wrapped again; data keys by master key: {counts or 'none'}"


def main(arguments: list[str]) -> str | None:
    """Run the command; return an error message, or None after success."""
    show_help(USAGE, arguments)
    match arguments:
        case ["reread", service]:
            return _run(lambda: _reread(load(Stores), service))
        case ["rotate-keys", service]:
            return _run(lambda: _rotate_keys(load(KeySettings), service))
        case _:
            return USAGE


REPORTED = RelayRunning, NoCommonEvent, NotAllowed, InvalidSettings, InvalidKeyRing, SecretUnreadable


def _run(command: Callable[[], Coroutine[Any, Any, str]]) -> str | None:
    logging.set_up("eventing", "WARNING")
    try:
        sys.stdout.write(f"{asyncio.run(command())}\n")
    except REPORTED as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

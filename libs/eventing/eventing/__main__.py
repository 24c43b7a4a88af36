"""`python -m eventing reread <service>`: fixes a relay after a failover or a restore (docs/runbooks/relay.md)."""

import asyncio
import sys

from runtime import bus, logging
from runtime.jetstream import jetstream
from runtime.settings import InvalidSettings, Settings, load

from eventing.database import Database
from eventing.reread import NoCommonEvent, RelayRunning, reread

USAGE = "usage: DATABASE_URL=... NATS_URL=... python -m eventing reread <service>"


class Stores(Settings):
    """The addresses of the service's database and of the bus, from the same variables that the service reads."""

    database_url: str
    nats_url: str


async def _reread(stores: Stores, service: str) -> str:
    async with (
        Database.open(stores.database_url, service) as database,
        bus.connected(stores.nats_url, "reread") as client,
    ):
        return str(await reread(database, jetstream(client), service))


def main(arguments: list[str]) -> str | None:
    """Run the command; return an error message, or None after success."""
    match arguments:
        case ["reread", service]:
            logging.set_up("eventing", "WARNING")
            try:
                sys.stdout.write(f"{asyncio.run(_reread(load(Stores), service))}\n")
            except (RelayRunning, NoCommonEvent, InvalidSettings) as error:
                return str(error)
            return None
        case _:
            return USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

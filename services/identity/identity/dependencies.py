"""The dependencies of the identity service's handlers and reactions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from eventing.database import Database
from eventing.handling import QueryContext, UnitOfWork
from runtime import clock
from runtime.bus import Client
from runtime.bus.gatekeeper import Gatekeeper, Retention
from runtime.bus.nkeys import KeyPair
from runtime.bus.program_connections import ProgramConnections
from runtime.forever import forever

from identity.api_calls import ApiCalls
from identity.audit_log import AuditLog
from identity.credentials.keys import KeyRingFile
from identity.credentials.login_attempts import LoginAttempts
from identity.credentials.passwords import Passwords
from identity.credentials.revocations import Revocations
from identity.directory import Directory
from identity.programs import ProgramDirectory, Programs
from identity.settings import Settings

CLEANING_INTERVAL_SECONDS = 60.0

type Work = UnitOfWork["Dependencies"]
type Context = QueryContext["Dependencies"]


@dataclass(frozen=True)
class Dependencies:
    """The dependencies of one replica, shared by all its handlers and reactions."""

    keys: KeyRingFile
    passwords: Passwords
    directory: Directory
    attempts: LoginAttempts
    api_calls: ApiCalls
    revocations: Revocations
    audit: AuditLog
    registration_open: bool
    programs: Programs


@asynccontextmanager
async def dependencies(settings: Settings, database: Database, client: Client) -> AsyncGenerator[Dependencies]:
    """Create the dependencies, and keep the bucket of revocations filled while the context is open.

    Raises:
        InvalidKeyRing: the key ring cannot be used.
    """
    keys = KeyRingFile(settings.key_ring_file)
    revocations = Revocations(client, database)
    attempts = LoginAttempts(database, settings.login_failures_per_account, settings.login_failures_per_address)

    api_calls = ApiCalls(database)

    async def clean() -> None:
        await attempts.remove_expired(clock.now())
        await api_calls.remove_old(clock.now().date())
        await asyncio.sleep(CLEANING_INTERVAL_SECONDS)

    await revocations.fill()
    works = {"revocations": revocations.refresh, "key ring": keys.follow, "expired rows": clean}
    programs = _programs(settings, database, client)
    if programs.gatekeeper:
        works["gatekeeper"] = programs.gatekeeper.serve
    # Not in a TaskGroup, which would wrap an exception from inside the context in an ExceptionGroup.
    upkeep = [asyncio.get_running_loop().create_task(forever(name, work)) for name, work in works.items()]
    try:
        async with AuditLog.open(settings.database_url) as audit:
            yield Dependencies(
                keys,
                Passwords(),
                Directory(database),
                attempts,
                api_calls,
                revocations,
                audit,
                settings.registration_open,
                programs,
            )
    finally:
        for task in upkeep:
            task.cancel()


def _programs(settings: Settings, database: Database, client: Client) -> Programs:
    directory, connections = ProgramDirectory(database), ProgramConnections(client)
    if settings.bus_issuer_seed is None:
        return Programs(directory, connections)
    retention = Retention(settings.bus_retention_seconds, settings.bus_max_bytes, settings.stream_replicas)
    issuer = KeyPair.of_seed(settings.bus_issuer_seed)
    gatekeeper = Gatekeeper(client, issuer, directory.find, retention)
    return Programs(directory, connections, gatekeeper, settings.bus_url)

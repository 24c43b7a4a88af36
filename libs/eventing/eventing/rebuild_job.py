"""The command `python -m <package> rebuild [<read model>]`."""

import asyncio
import sys
from importlib import import_module
from typing import Any

from pydantic import Field
from runtime.process import ProcessSettings

from eventing.database import Database
from eventing.database.start import database_ready
from eventing.projectors.checkpoint import REBUILDING, Checkpoint, request_rebuild
from eventing.rebuilding import CannotRebuild
from eventing.rebuilding.lanes import TIMEOUT
from eventing.rebuilding.rebuild import Rebuild
from eventing.rebuilding.shadow import PREFIX, Shadow
from eventing.service import Service

POLL_SECONDS = 1.0


class RebuildSettings(ProcessSettings):
    """The settings of the job. `migration_database_url` is needed if another role owns the tables."""

    database_url: str = Field(repr=False)
    migration_database_url: str | None = Field(default=None, repr=False)

    @property
    def owner_url(self) -> str:
        """The address with the role that owns the tables."""
        return self.migration_database_url or self.database_url


async def run_rebuild(package: str, name: str | None, settings: RebuildSettings, stop: asyncio.Event) -> None:
    """Rebuild a read model, or without a name list all; write what happens to standard output.

    Exits with 1 if it cannot be rebuilt; the live read model is as it was.

    Raises:
        CannotStart: the database cannot be used.
        Stopped: `stop` was set while waiting for it.
    """
    service: Service[Any, Any] = import_module(f"{package}.app").service
    if name is None:
        return _list(service)
    url, wait = settings.database_url, settings.dependency_wait_seconds
    await database_ready(url, settings.migration_database_url, service.name, within=wait, stop=stop)
    try:
        if any(name == projector.name for projector in service.projectors):
            await _request(service, name, settings, stop)
        else:
            await rebuild(service, name, settings, stop)
    except CannotRebuild as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


async def rebuild(service: Service[Any, Any], name: str, settings: RebuildSettings, stop: asyncio.Event) -> None:
    """Rebuild a read model of the service's own events.

    Raises:
        CannotRebuild: that is not possible.
    """
    model = service.read_models.find(name)
    owner_url, schema = settings.owner_url, f"{PREFIX}{service.name}"
    async with (
        Database.open(owner_url, service.name, statement_timeout=TIMEOUT) as live,
        Database.open(owner_url, schema, statement_timeout=TIMEOUT) as new,
        live.advisory_lock(f"rebuild:{service.name}") as lock,
    ):
        if lock is None:
            raise CannotRebuild(f"Another rebuild of {service.name} is in progress.")
        shadow = Shadow(new, service.name, model)
        await Rebuild(service.store(live), shadow, _say, stop).run(service.migrations)
        await lock.execute("SELECT pg_advisory_unlock_all()")  # now, not when the server sees that it was left


async def _request(service: Service[Any, Any], name: str, settings: RebuildSettings, stop: asyncio.Event) -> None:
    """Have the running service rebuild a read model of another service's events, and wait until it has done so."""
    async with Database.open(settings.database_url, service.name, size=1) as database:
        await request_rebuild(database, name)
        _say(f"A running {service.name} reads the events; until it is done, the earlier read model is in use")
        while (await Checkpoint.read(database, name)).sequence == REBUILDING:
            if stop.is_set():
                raise CannotRebuild(f"It was not waited for: {service.name} continues.")
            await asyncio.sleep(POLL_SECONDS)
    _say(f"{name} was rebuilt")


def _list(service: Service[Any, Any]) -> None:
    for model in service.read_models.models:
        _say(f"{model.name}: {', '.join(model.tables)}")
    for projector in service.projectors:
        _say(f"{projector.name}: of the events of {projector.source.service}")
    for table, reason in service.read_models.others.items():
        _say(f"{table} cannot be rebuilt: {reason}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

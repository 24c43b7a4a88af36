"""Waits until PostgreSQL can be used, before a service starts to work with it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import starmap

import asyncpg
from runtime.starting import CannotStart, DependencyUnavailable, describe_error, display_url, wait_for_dependency

from eventing.database import CONNECT_TIMEOUT, TRANSIENT_ERRORS

MIN_VERSION = 14
FORM = "postgresql://user:password@host:5432/database"
START_ADVICE = "Start PostgreSQL there, or correct {}."
MAY_CREATE = """
    SELECT has_database_privilege(current_database(), 'CREATE') OR EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)
"""


async def database_ready(
    url: str | None, migration_url: str | None, schema: str, *, within: float, stop: asyncio.Event
) -> None:
    """Wait up to `within` seconds until the PostgreSQL at DATABASE_URL can be used for `schema`.

    With a MIGRATION_DATABASE_URL, wait for that one, too, and first: it is the one that creates the schema.

    Raises:
        CannotStart: it does not answer in that time, refuses the credentials, lacks the database, is too old, or does
            not allow this user to create the schema.
        Stopped: `stop` was set while waiting.
    """
    if migration_url:
        await _ready("MIGRATION_DATABASE_URL", migration_url, schema, within, stop)
    if url:
        await _ready("DATABASE_URL", url, None if migration_url else schema, within, stop)


async def retry_at_start[R](
    work: Callable[[], Awaitable[R]], url: str | None, migration_url: str | None, *, within: float, stop: asyncio.Event
) -> R:
    """Return what the first `work` with the PostgreSQL at these URLs returns, which has to be safe to repeat.

    It is repeated for up to `within` seconds while connections fail, as they do if a whole system starts on a machine
    with few processors.

    Raises:
        CannotStart: they still failed then, and what `work` raises.
        Stopped: `stop` was set while waiting.
    """

    async def attempt() -> R:
        try:
            return await work()
        except TRANSIENT_ERRORS as error:
            raise DependencyUnavailable(describe_error(error), START_ADVICE.format(" or ".join(urls))) from error

    urls = {"DATABASE_URL": url, "MIGRATION_DATABASE_URL": migration_url}
    urls = {variable: value for variable, value in urls.items() if value}
    where = ", ".join(starmap(display_url, urls.items()))
    return await wait_for_dependency(attempt, where, within=within, stop=stop)


def migrate_advice(schema: str) -> str:
    """Return the advice, as a sentence, for a role that may not do what only the owner of the tables may."""
    return (
        f"Set MIGRATION_DATABASE_URL to the role that owns the database, or run `python -m {schema} migrate` with both "
        "URLs first."
    )


async def _ready(variable: str, url: str, schema: str | None, within: float, stop: asyncio.Event) -> None:
    where = display_url(variable, url)
    await wait_for_dependency(lambda: _attempt(variable, url, schema), where, within=within, stop=stop)


async def _attempt(variable: str, url: str, schema: str | None) -> None:
    where = display_url(variable, url)
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT, command_timeout=CONNECT_TIMEOUT)
        try:
            _check_version(connection.get_server_version().major, variable, where)
            may_create = schema is None or await connection.fetchval(MAY_CREATE, schema)
        finally:
            connection.terminate()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise _start_error(error, variable, where) from None
    if not may_create:
        raise CannotStart(f"{where}: this user may not create the schema '{schema}'. {migrate_advice(str(schema))}")


def _check_version(version: int, variable: str, where: str) -> None:
    if version < MIN_VERSION:
        raise CannotStart(
            f"{where}: this is PostgreSQL {version}, but {MIN_VERSION} or later is required. Upgrade it, or set "
            f"{variable} to a newer server."
        )


def _start_error(error: Exception, variable: str, where: str) -> Exception:
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            return CannotStart(
                f"{where}: PostgreSQL refuses these credentials ({error}). Correct the user and the password in "
                f"{variable}."
            )
        case asyncpg.InvalidCatalogNameError():
            return CannotStart(f"{where}: {error}. Create it (CREATE DATABASE …), or correct {variable}.")
        case ValueError() if not isinstance(error, OSError):  # asyncpg's message may contain a part of the password
            return CannotStart(f"{where}: this is not a valid address. {variable} looks like {FORM}.")
        case _ if isinstance(error, TRANSIENT_ERRORS):
            return DependencyUnavailable(describe_error(error), START_ADVICE.format(variable))
        case _:
            return CannotStart(f"{where}: PostgreSQL refuses the connection ({error}). Correct {variable}.")

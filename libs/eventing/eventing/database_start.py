"""Waits until PostgreSQL can be used, before a service starts to work with it."""

import asyncio

import asyncpg
from runtime.starting import CannotStart, DependencyUnavailable, describe_error, display_url, wait_for_dependency

from eventing.database import CONNECT_TIMEOUT, TRANSIENT_ERRORS

MIN_VERSION = 14
FORM = "postgresql://user:password@host:5432/database"
MAY_CREATE = """
    SELECT has_database_privilege(current_database(), 'CREATE') OR EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)
"""


async def database_ready(url: str, schema: str, *, within: float, stop: asyncio.Event) -> None:
    """Wait up to `within` seconds until the PostgreSQL at DATABASE_URL can be used for `schema`.

    Raises:
        CannotStart: it does not answer in that time, refuses the credentials, lacks the database, is too old, or does
            not allow this user to create the schema.
        Stopped: `stop` was set while waiting.
    """
    where = display_url("DATABASE_URL", url)
    await wait_for_dependency(lambda: _attempt(url, schema, where), where, within=within, stop=stop)


async def _attempt(url: str, schema: str, where: str) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT, command_timeout=CONNECT_TIMEOUT)
        try:
            _check_version(connection.get_server_version().major, where)
            may_create = await connection.fetchval(MAY_CREATE, schema)
        finally:
            connection.terminate()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise _start_error(error, where) from None
    if not may_create:
        raise CannotStart(
            f"{where}: this user may not create the schema '{schema}'. Run GRANT CREATE ON DATABASE … for this "
            "user, or correct DATABASE_URL."
        )


def _check_version(version: int, where: str) -> None:
    if version < MIN_VERSION:
        raise CannotStart(
            f"{where}: this is PostgreSQL {version}, but {MIN_VERSION} or later is required. Upgrade it, or set "
            "DATABASE_URL to a newer server."
        )


def _start_error(error: Exception, where: str) -> Exception:
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            return CannotStart(
                f"{where}: PostgreSQL refuses these credentials ({error}). Correct the user and the password in "
                "DATABASE_URL."
            )
        case asyncpg.InvalidCatalogNameError():
            return CannotStart(f"{where}: {error}. Create it (CREATE DATABASE …), or correct DATABASE_URL.")
        case ValueError() if not isinstance(error, OSError):  # asyncpg's message may contain a part of the password
            return CannotStart(f"{where}: this is not a valid address. DATABASE_URL looks like {FORM}.")
        case _ if isinstance(error, TRANSIENT_ERRORS):
            return DependencyUnavailable(describe_error(error), "Start PostgreSQL there, or correct DATABASE_URL.")
        case _:
            return CannotStart(f"{where}: PostgreSQL refuses the connection ({error}). Correct DATABASE_URL.")

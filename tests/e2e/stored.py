"""Search for secrets in everything that a system has stored."""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any
from urllib.parse import quote

import asyncpg
from onebox.testing.planted import searchable
from onebox.testing.system import System

TABLES = """
    SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"""


def database_url(system: System) -> str:
    return f"postgresql://agentapi@/agentapi?host={quote(str(system.data_dir / 'postgres'), safe='/')}"


async def copy_table(connection: "asyncpg.Connection[Any]", name: str) -> bytes:
    content = BytesIO()
    await connection.copy_from_query(f"TABLE {name}", output=content)
    return content.getvalue()


def copies(system: System) -> dict[str, bytes]:
    """Return a copy of each table, as a dump contains it."""

    async def copy() -> dict[str, bytes]:
        connection = await asyncpg.connect(database_url(system))
        try:
            return {row["name"]: await copy_table(connection, row["name"]) for row in await connection.fetch(TABLES)}
        finally:
            await connection.close()

    return asyncio.run(copy())


def rows(system: System, query: str) -> list[Any]:
    """Return the rows of a query."""

    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(database_url(system))
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def files(system: System) -> Iterator[tuple[str, bytes]]:
    """Yield all files of the system: tables and write-ahead log, bus, logs, workspaces and archives."""
    for folder, _, names in system.data_dir.walk():
        for path in (folder / name for name in names):
            with suppress(FileNotFoundError):  # the system runs, and removes files
                if path.is_file() and not path.is_symlink():
                    yield str(path.relative_to(system.data_dir)), path.read_bytes()


def forms(text: str) -> list[bytes]:
    """Return a text as it is, in Base64 and in hexadecimal.

    Raises:
        ValueError: it is too short to be searched for.
    """
    content = searchable(text)
    return [content, base64.b64encode(content)[:-4], content.hex().encode()]


def holders(contents: dict[str, bytes], texts: list[str]) -> list[str]:
    """Return the names of the contents that have one of the texts.

    Raises:
        ValueError: a text is too short to be searched for.
    """
    found = [form for text in texts for form in forms(text)]
    return [name for name, content in contents.items() if any(form in content for form in found)]

"""A database for every test."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

import asyncpg

from onebox.postgres import EmbeddedPostgres


class Databases:
    """Makes databases on one server.

    ```python
    @pytest_asyncio.fixture
    async def migrated(databases):
        template = await databases.template("session", migrate)  # `migrate(url)` runs once in a test process
        async with databases.fresh(template) as url:             # a copy: about 30 ms
            yield url
    ```
    """

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._numbers = count(1)
        self._templates: dict[str, str] = {}

    @asynccontextmanager
    async def fresh(self, template: str = "template1") -> AsyncGenerator[str]:
        """Give the address of a new database, and drop it in the end, whoever is still connected."""
        name = await self._create(template)
        try:
            yield self._server.url_of(name)
        finally:
            await self._run(f"DROP DATABASE {name} WITH (FORCE)")

    async def template(self, name: str, fill: Callable[[str], Awaitable[None]]) -> str:
        """Give a database to copy; `fill(url)` is called the first time, and has to close its connections."""
        if name not in self._templates:
            database = await self._create("template1")
            await fill(self._server.url_of(database))
            self._templates[name] = database
        return self._templates[name]

    async def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

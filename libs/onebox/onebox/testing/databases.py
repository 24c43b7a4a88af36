"""An empty database for each test."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager
from itertools import count
from threading import Thread
from types import TracebackType
from typing import Any, Self

import asyncpg

from onebox.cluster import NAME, SERVICE_ROLE
from onebox.postgres import EmbeddedPostgres
from onebox.testing.planted import check_none
from onebox.testing.planted_tables import revealed_in_tables
from onebox.testing.reusing import ReusableDatabase


class Databases:
    """Creates and drops databases on one server. Use it as a context manager.

    The connection lives in a thread, because it outlives the event loops of tests. No statement runs during a test:
    event stores do not read beyond an open transaction.

    ```python
    @pytest_asyncio.fixture
    async def migrated(databases):
        template = await databases.template("session", migrate)  # `migrate(url)` runs once per test process
        async with databases.reused(template) as url:            # a copy, or one that another test has used
            yield url
    ```
    """

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._numbers = count(1)
        self._templates: dict[str, str] = {}
        self._unused = defaultdict[str, list[ReusableDatabase]](list)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="databases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._admin = self._submit(self._connect()).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for database in (database for unused in self._unused.values() for database in unused):
            self._submit(database.close()).result()
        self._submit(self._admin.close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @asynccontextmanager
    async def fresh(self, template: str = "template1") -> AsyncGenerator[str]:
        """Create a database, yield its URL, and drop it on exit even if clients are still connected.

        Raises:
            AssertionError: a secret is in a table.
        """
        name = await self._create(template)
        url = self._server.url_of(name)
        try:
            yield url
            check_none(url, await self._from(revealed_in_tables(url)))
        finally:
            await self._drop(name)

    @asynccontextmanager
    async def reused(self, template: str) -> AsyncGenerator[str]:
        """Yield the URL of a database that is like a new copy of a template; other tests may have used it.

        Raises:
            AssertionError: a secret is in a table.
        """
        unused = self._unused[template]
        database = unused.pop() if unused else await self._copy(template)
        url = self._server.url_of(database.name)
        is_kept = False
        try:
            yield url
            is_kept = await self._from(database.is_unchanged())
            check_none(url, await self._from(database.secrets() if is_kept else revealed_in_tables(url)))
            is_kept = is_kept and await self._from(database.restored())
        finally:
            if is_kept:
                unused.append(database)
            else:
                await self._from(database.close())
                await self._drop(database.name)

    def as_service(self, url: str) -> str:
        """Return the URL of the same database for the role of the services, which does not own the tables."""
        return url.replace(f"//{NAME}@", f"//{SERVICE_ROLE}@", 1)

    def as_owner(self, url: str) -> str:
        """Return the URL of the same database for the role that owns it."""
        return url.replace(f"//{SERVICE_ROLE}@", f"//{NAME}@", 1)

    async def template(self, name: str, fill: Callable[[str], Awaitable[None]]) -> str:
        """Return the name of a template; `fill(url)` is called the first time, and must close its connections."""
        if name not in self._templates:
            database = await self._create("template1")
            await fill(self._server.url_of(database))
            self._templates[name] = database
        return self._templates[name]

    def _submit[T](self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self._server.url)

    async def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        # Copying the files, which are in memory, takes half the time of writing them to the WAL.
        await self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    async def _copy(self, template: str) -> ReusableDatabase:
        name = await self._create(template)
        return await self._from(ReusableDatabase.opened(name, self._server.url_of(name)))

    async def _drop(self, name: str) -> None:
        await self._run(f"DROP DATABASE {name} WITH (FORCE)")

    async def _run(self, statement: str) -> None:
        await self._from(self._admin.execute(statement))

    async def _from[T](self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(self._submit(work))

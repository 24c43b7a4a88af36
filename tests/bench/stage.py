"""The measured system: servers with the settings of `make run`, and the whole system on them."""

import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from eventing.database import Database
from eventing.migrating import migrate
from onebox.children import Child, Program, stop_all
from onebox.errors import tail
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.ports import ReservedPort
from onebox.postgres import EmbeddedPostgres
from onebox.testing.databases import Databases
from onebox.testing.system import System
from onebox.testing.unrooted import PostgresForTests
from runtime.testing import eventually
from session.app import service
from session.settings import Settings

from tests.bench.load import Clients
from tests.e2e.user import User, newcomer

ROOT = Path(__file__).parents[2]


class Stage:
    """Starts what a benchmark asks for, when it first does; leaving stops it all."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self.section = AsyncExitStack()
        """What is left when a section was measured: of some processes nobody knows then what they have used."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def hold[T](self, context: AbstractContextManager[T]) -> T:
        """Enter a context that is left with the stage."""
        return self._held.enter_context(context)

    @cached_property
    def folder(self) -> DataFolder:
        path = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
        self._held.callback(shutil.rmtree, path, ignore_errors=True)
        folder = DataFolder(path)
        path.chmod(0o755)  # PostgreSQL's account has to pass, when we are root
        self._held.callback(folder.close)
        return folder

    @cached_property
    def postgres(self) -> EmbeddedPostgres:
        return self._embedded(PostgresForTests(self.folder))

    @cached_property
    def databases(self) -> Databases:
        return self.hold(Databases(self.postgres))

    @cached_property
    def nats(self) -> EmbeddedNats:
        return self._embedded(EmbeddedNats(self.folder))

    @cached_property
    def quiet_nats(self) -> EmbeddedNats:
        """A bus that no service is on."""
        aside = DataFolder(self.folder.path / "aside")
        self._held.callback(aside.close)
        return self._embedded(EmbeddedNats(aside))

    @cached_property
    def clients(self) -> Clients:
        return self.hold(Clients.started())

    @cached_property
    def model(self) -> str:
        """Where the simulated model is."""
        port = self.free_port()
        self.start("simulator", {"HOST": "127.0.0.1", "PORT": str(port)})
        return f"http://127.0.0.1:{port}"

    @cached_property
    def system(self) -> System:
        """The whole system, on the servers of this stage."""
        environment = {"DATABASE_URL": self.postgres.url, "NATS_URL": self.nats.url, "MODEL_BASE_URL": self.model}
        environment["WARM_AGENTS_PER_USER"] = "64"  # one user has all sessions
        environment["SPARE_AGENTS"] = str(Settings.model_fields["spare_agents"].default)
        system = self.hold(System(environment, claude_code=True))
        system.start()
        return system

    @property
    def port(self) -> int:
        """Where the system listens."""
        return urlsplit(self.system.base_url).port or 0

    def user(self) -> User:
        """Return a new user who is logged in."""
        newcomers = newcomer(self.system)
        self._held.callback(newcomers.close)
        return next(newcomers)

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[Database]:
        """Return a database of the session service for exclusive use."""
        async with self.databases.fresh() as url, Database.open(url, service.name) as database:
            await migrate(database, service.migrations)
            yield database

    def start(self, module: str, environment: dict[str, str]) -> Child:
        """Start a Python module as a process."""
        environment = {"PYTHONPATH": str(ROOT), **environment}
        child = Child(Program(module.rpartition(".")[2], [sys.executable, "-m", module], environment), self.folder)
        child.start()
        self._held.callback(stop_all, [child])
        return child

    def free_port(self) -> int:
        """Reserve a port."""
        return self.hold(ReservedPort()).number

    def _embedded[S: EmbeddedPostgres | EmbeddedNats](self, server: S) -> S:
        self._held.callback(server.stop)
        server.start()
        return server


async def until(child: Child, condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds that a child is to bring about.

    Raises:
        RuntimeError: it ended instead.
        TimeoutError: nothing came of it.
    """
    await eventually(lambda: _held_or_ended(child, condition))
    if not child.running():
        raise RuntimeError(f"{child.name} ended:\n{tail(child.log)}")


async def _held_or_ended(child: Child, condition: Callable[[], Awaitable[bool]]) -> bool:
    return not child.running() or await condition()

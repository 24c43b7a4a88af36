"""What the tests of the agents need: a simulated model, a database, this machine's sandbox."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from uuid import UUID, uuid5

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from contracts.session.conversation import RecordMessage, RecordToolResult
from contracts.session.run import EndRun, StartRun, SubmitQuery
from contracts.session.session import CreateSession
from eventing.database import Database
from eventing.testing.harness import migrated
from onebox.testing.databases import Databases
from runtime.blocking import BlockingPool
from runtime.bus import connected
from session.agent import Agents, Limits
from session.agent.model_proxy import BODY_LIMIT, ModelProxy
from session.agent.sandbox import Sandbox
from session.agent.transcript import Transcripts
from session.app import service
from session.settings import Settings
from simulator.app import create_app

from services.session.tests.box import Box, Remote
from services.session.tests.desk import Desk
from services.session.tests.hands import Hands
from services.session.tests.provider import Agent, Provider, served
from services.session.tests.replica import PROVIDER_KEY, SESSIONS, NewReplica, Replica

MIGRATIONS = [
    Path(__file__).parent.parent / "migrations" / name for name in ("0002_transcript.sql", "0008_conversations.sql")
]
# Stand for the tables of sessions and runs, which the transcript does not look at.
OTHERS = """
    CREATE TABLE sessions (id uuid PRIMARY KEY);
    CREATE TABLE runs (id uuid, session_id uuid, attempt int, ended_at timestamptz);"""
EXISTING = (
    "WITH one AS (INSERT INTO sessions VALUES ($1)) INSERT INTO conversations (session_id, attempt) VALUES ($1, 0)"
)


@pytest_asyncio.fixture
async def transcripts(database_url: str) -> AsyncGenerator[Transcripts]:
    async with Database.open(database_url, "session") as database:
        await database.execute("CREATE SCHEMA session")
        for statements in (OTHERS, *(migration.read_text() for migration in MIGRATIONS)):
            await database.execute(statements)
        for session_id in (
            *(uuid5(SESSIONS, name) for name in ("one", "two", "three", "other")),
            UUID(int=1),
            UUID(int=2),
        ):
            await database.execute(EXISTING, session_id)
        yield Transcripts(database)


@pytest_asyncio.fixture
async def model_url() -> AsyncGenerator[str]:
    async with TestServer(create_app()) as server:
        yield str(server.make_url("/"))


@pytest_asyncio.fixture
async def sandbox(servers: None) -> Sandbox:
    sandbox, reason = await Sandbox.find()
    if reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    return sandbox


@pytest.fixture
def new_replica(sandbox: Sandbox, transcripts: Transcripts, model_url: str, tmp_path: Path) -> NewReplica:
    @asynccontextmanager
    async def start(
        limits: Limits | None = None, model_url: str = model_url, sandbox: Sandbox = sandbox
    ) -> AsyncGenerator[Replica]:
        async with (
            ModelProxy(model_url, PROVIDER_KEY) as proxy,
            Agents(sandbox, proxy, transcripts, limits) as agents,
        ):
            yield Replica(agents, tmp_path / "workspaces", cast(Database, transcripts.database))

    return start


@pytest_asyncio.fixture
async def replica(new_replica: NewReplica) -> AsyncGenerator[Replica]:
    async with new_replica() as replica:
        yield replica


@pytest_asyncio.fixture
async def desk(databases: Databases) -> AsyncGenerator[Desk]:
    async with migrated(databases, service.name, service.migrations) as database:
        yield Desk(database)


@pytest_asyncio.fixture
async def talked(desk: Desk) -> Desk:
    """A session in which a run with one tool call is over."""
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage, RecordToolResult, EndRun):
        await desk.send(command.example())
    return desk


@pytest_asyncio.fixture
async def blocking() -> AsyncGenerator[BlockingPool]:
    async with BlockingPool.open() as pool:
        yield pool


@pytest.fixture
def hands(talked: Desk, tmp_path: Path, blocking: BlockingPool) -> Hands:
    return Hands(talked, tmp_path, blocking)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest_asyncio.fixture
async def provider_url(provider: Provider) -> AsyncGenerator[str]:
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_post("/{path:.*}", provider.answer)
    async with TestServer(app, handler_cancellation=True) as server:
        yield str(server.make_url("/base/"))


@pytest_asyncio.fixture
async def idle(provider_url: str) -> AsyncGenerator[Agent]:
    """Give an agent between its turns."""
    async with served(provider_url) as client:
        yield client


@pytest_asyncio.fixture
async def agent(idle: Agent) -> AsyncGenerator[Agent]:
    """Give an agent in a turn."""
    with idle.access.turn(None):
        yield idle


@pytest.fixture
async def box(database_url: str, nats_url: str, model_url: str, tmp_path: Path) -> AsyncGenerator[Box]:
    values = {"workspaces_dir": tmp_path / "workspaces", "model_base_url": model_url}
    settings = Settings.model_validate({"database_url": database_url, "nats_url": nats_url, **values})
    async with connected(nats_url, "test") as client:
        yield Box(settings, client)


@pytest.fixture
async def remote(box: Box) -> AsyncGenerator[Remote]:
    async with box.replica():
        yield box.remote

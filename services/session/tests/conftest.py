"""What the tests of the agents need: a simulated model, a database, this machine's sandbox."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from contracts.session.conversation import RecordMessage, RecordToolResult
from contracts.session.run import EndRun, StartRun, SubmitQuery
from contracts.session.session import CreateSession
from contracts.session.values import SdkOptions, TextBlock
from eventing.database import Database
from eventing.migrating import migrate
from onebox.testing.databases import Databases
from session.agent import Agents, AgentSpec, Finished, Limits, Said, Told, ToolReturned
from session.agent.model_proxy import BODY_LIMIT, ModelProxy
from session.agent.sandbox import Sandbox
from session.agent.transcript import Transcripts
from session.app import service
from session.workspace import Lasting
from simulator.app import create_app

from services.session.tests.desk import Desk
from services.session.tests.hands import Hands
from services.session.tests.provider import Agent, Provider, served

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
WORKS_FOR = "UPDATE conversations SET run_id = $2 WHERE session_id = $1"
PROVIDER_KEY = "sk-key-of-the-provider"
SESSIONS = uuid5(NAMESPACE_OID, str(os.getpid()))
"""Of this test process alone: others run at the same time, and agents are found by the ids of their sessions."""


class Telling(list[Told]):
    """What a turn told."""

    @property
    def words(self) -> str:
        """What the model said."""
        said = [told for told in self if isinstance(told, Said)]
        return " ".join(block.text for told in said for block in told.blocks if isinstance(block, TextBlock))

    @property
    def outputs(self) -> list[str]:
        """What the tools gave."""
        return [told.output["content"] for told in self if isinstance(told, ToolReturned)]

    @property
    def end(self) -> Finished:
        """How the turn ended."""
        last = self[-1]
        assert isinstance(last, Finished)
        return last


class Replica:
    """The agents of one replica; sessions go by names here."""

    def __init__(self, agents: Agents, workspaces: Path, database: Database, sessions: UUID = SESSIONS) -> None:
        self.agents, self.workspaces, self.database, self.sessions = agents, workspaces, database, sessions

    def spec(self, session: str = "one", **options: Any) -> AgentSpec:
        """Give the spec of a session whose tools are all allowed."""
        wanted = SdkOptions.model_validate({"permission_mode": "bypassPermissions", **options})
        return AgentSpec(uuid5(self.sessions, session), self.workspaces / session, wanted)

    async def for_run(self, run_id: UUID) -> AgentSpec:
        """Give the spec of an agent of session `one` that works for a run, which is started."""
        spec = replace(self.spec(), run_id=run_id)
        await self.database.execute(WORKS_FOR, spec.session_id, run_id)
        return spec

    def begin(self, prompt: str, session: str = "one", **options: Any) -> AsyncGenerator[Told]:
        """Begin a turn."""
        return self.agents.turn(self.spec(session, **options), prompt)

    async def ask(self, prompt: str, session: str = "one", **options: Any) -> Telling:
        """Give all that a turn tells."""
        return Telling([told async for told in self.begin(prompt, session, **options)])

    async def bash(self, command: str, session: str = "one", **options: Any) -> str:
        """Let the agent run a command, and give what that wrote."""
        return (await self.ask(bash(command), session, **options)).outputs[0]


type NewReplica = Callable[..., AbstractAsyncContextManager[Replica]]


def scripted(words: str, *turns: dict[str, Any]) -> str:
    """Write a prompt that the simulated model answers with `turns`."""
    return f"{words} [[simulate {json.dumps({'turns': turns})}]]"


def calling(*tools: tuple[str, dict[str, Any]], words: str = "Do it.") -> str:
    """Write a prompt on which the agent calls tools."""
    calls = [{"name": name, "input": given} for name, given in tools]
    return scripted(words, {"tools": calls}, {"text": "Done."})


def bash(command: str) -> str:
    """Write a prompt on which the agent runs a command."""
    return calling(("Bash", {"command": command, "description": "a test"}), words="Run it.")


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to be so."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  processes and files send no events
            await asyncio.sleep(0.02)


def running(*words: str) -> list[int]:
    """Give the processes of this machine whose command line has these words."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if set(words) <= set(line):
            found.append(int(path.parent.name))
    return found


def agents_of(session_id: UUID) -> list[int]:
    """Return the agents of a session on this machine: their command lines name it, and nothing else of it."""
    return [*running(f"--session-id={session_id}"), *running(f"--resume={session_id}")]


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
async def sandbox() -> Sandbox:
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


async def _migrate(url: str) -> None:
    async with Database.open(url, service.name) as database:
        await migrate(database, service.migrations)


@pytest_asyncio.fixture
async def desk(databases: Databases) -> AsyncGenerator[Desk]:
    template = await databases.template(service.name, _migrate)
    async with databases.fresh(template) as url, Database.open(url, service.name) as database:
        yield Desk(database)


@pytest_asyncio.fixture
async def talked(desk: Desk) -> Desk:
    """A session in which a run with one tool call is over."""
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage, RecordToolResult, EndRun):
        await desk.send(command.example())
    return desk


@pytest_asyncio.fixture
async def hands(talked: Desk, tmp_path: Path) -> AsyncGenerator[Hands]:
    async with Lasting.open() as lasting:
        yield Hands(talked, tmp_path, lasting)


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

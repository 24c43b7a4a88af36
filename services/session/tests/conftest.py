"""Fixtures: the sandbox of this machine, a simulated model, databases, agents, and the whole service."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from contracts.session.conversation import RecordMessage, RecordToolResult
from contracts.session.run import EndRun, StartRun, SubmitQuery
from contracts.session.session import CreateSession
from eventing.database import Database
from eventing.testing.harness import migrated, owned
from eventing.testing.key_rings import ring_json
from mcp_connection import Connector
from mcp_connection.testing import InMemoryConnector
from onebox.testing.buses import Buses
from onebox.testing.databases import Databases
from runtime.blocking import BlockingPool
from runtime.bus import connected
from sandbox import Sandbox
from session.agent import Agents, Limits
from session.agent.agent_process import AGENT, probe_of
from session.agent.model_proxy import BODY_LIMIT, ModelProxy
from session.agent.transcript import Transcripts
from session.app import service
from session.mcp.connections import Connections
from session.settings import Settings
from simulator.app import create_app

from services.session.tests.deployment import Deployment, NewDeployment, ServiceClient, Stall
from services.session.tests.desk import Desk, stop_clock
from services.session.tests.file_jobs import FileJobs
from services.session.tests.provider import Provider, ProxyClient, proxied
from services.session.tests.replica import PROVIDER_KEY, NewReplica, Replica
from services.session.tests.transcript_tables import create_transcripts


@pytest.fixture
def one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock, so that no day and no month ends in the middle of a test."""
    stop_clock(monkeypatch)


@asynccontextmanager
async def opened_transcripts(databases: Databases) -> AsyncGenerator[Transcripts]:
    """Open the transcripts of a few sessions, which are empty."""
    template = await databases.template("transcripts", create_transcripts)
    async with databases.reused(template) as url, Database.open(url, "session") as database:
        yield Transcripts(database)


@pytest_asyncio.fixture
async def transcripts(databases: Databases) -> AsyncGenerator[Transcripts]:
    async with opened_transcripts(databases) as transcripts:
        yield transcripts


@pytest_asyncio.fixture
async def model_url() -> AsyncGenerator[str]:
    async with TestServer(create_app()) as server:
        yield str(server.make_url("/"))


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Generator[Stall]:
    """Let answers of the model stall until the test ends that."""
    stall = Stall()
    monkeypatch.setattr("simulator.delivery.asyncio", SimpleNamespace(sleep=stall.sleep))
    yield stall
    stall.over.set()  # a model that stops waits for its answers


def program_of(node: pytest.Item | pytest.Module, agent_program: Path | None) -> Path:
    """Return the program of the agents of a test, or of a module."""
    return AGENT if agent_program is None or node.get_closest_marker("claude_code") else agent_program


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox(agent_program: Path | None) -> Sandbox:
    sandbox, reason = await Sandbox.find(probe_of(agent_program or AGENT))
    if reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    return sandbox


@pytest.fixture
def agent_path(request: pytest.FixtureRequest, agent_program: Path | None) -> Path:
    """The program of the test's agents."""
    return program_of(request.node, agent_program)


@pytest.fixture
def unsettled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let programs survive the turn that started them, as code in the agent's own process does."""
    monkeypatch.setattr("session.agent.live.settles", AsyncMock(return_value=True))


@asynccontextmanager
async def opened_replica(
    workspaces: Path,
    transcripts: Transcripts,
    model_url: str,
    sandbox: Sandbox,
    limits: Limits | None = None,
    connector: Connector | None = None,
    program: Path = AGENT,
) -> AsyncGenerator[Replica]:
    """Start the agents of a replica, which has no MCP servers unless a connector is given."""
    async with (
        ModelProxy(model_url, PROVIDER_KEY) as proxy,
        connector or InMemoryConnector({}) as connector,
        Connections(connector) as connections,
        Agents(sandbox, proxy, transcripts, connections, limits, program) as agents,
    ):
        agents.spares.keep(workspaces)
        yield Replica(agents, workspaces, cast(Database, transcripts.database))


@pytest.fixture
def new_replica(
    sandbox: Sandbox, transcripts: Transcripts, model_url: str, tmp_path: Path, agent_path: Path
) -> NewReplica:
    def start(
        limits: Limits | None = None,
        model_url: str = model_url,
        sandbox: Sandbox = sandbox,
        connector: Connector | None = None,
        program: Path = agent_path,
    ) -> AbstractAsyncContextManager[Replica]:
        return opened_replica(tmp_path / "workspaces", transcripts, model_url, sandbox, limits, connector, program)

    return start


@pytest.fixture(scope="module")
def module_replica(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
    agent_program: Path | None,
) -> NewReplica:
    """Start a replica with a database and a model of its own, for a result that the tests of a module share."""
    module_program = program_of(request.node, agent_program)

    @asynccontextmanager
    async def start(
        app: web.Application | None = None,
        program: Path = module_program,
        connector: Connector | None = None,
        limits: Limits | None = None,
    ) -> AsyncGenerator[Replica]:
        workspaces = tmp_path_factory.mktemp("module") / "workspaces"
        async with (
            opened_transcripts(databases) as transcripts,
            TestServer(app or create_app()) as model,
            opened_replica(
                workspaces, transcripts, str(model.make_url("/")), sandbox, limits, connector, program
            ) as replica,
        ):
            yield replica

    return start


@pytest_asyncio.fixture
async def replica(new_replica: NewReplica) -> AsyncGenerator[Replica]:
    async with new_replica() as replica:
        yield replica


@pytest_asyncio.fixture
async def owner(desk: Desk, databases: Databases) -> AsyncGenerator[Database]:
    """The database of the desk, for the role that owns the tables."""
    async with owned(databases, desk.database) as database:
        yield database


@pytest_asyncio.fixture
async def desk(databases: Databases) -> AsyncGenerator[Desk]:
    async with migrated(databases, service.name, service.migrations) as database:
        yield Desk(database)


@pytest_asyncio.fixture
async def desk_after_run(desk: Desk) -> Desk:
    """A desk with a session in which a run with one tool call has ended."""
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage, RecordToolResult, EndRun):
        await desk.send(command.example())
    return desk


@pytest_asyncio.fixture
async def blocking() -> AsyncGenerator[BlockingPool]:
    async with BlockingPool.open() as pool:
        yield pool


@pytest.fixture
def jobs(desk_after_run: Desk, tmp_path: Path, blocking: BlockingPool) -> FileJobs:
    return FileJobs(desk_after_run, tmp_path, blocking)


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
async def idle_agent(provider_url: str) -> AsyncGenerator[ProxyClient]:
    """An agent between its turns."""
    async with proxied(provider_url) as client:
        yield client


@pytest_asyncio.fixture
async def agent(idle_agent: ProxyClient) -> AsyncGenerator[ProxyClient]:
    """An agent in a turn."""
    with idle_agent.access.turn(None):
        yield idle_agent


@asynccontextmanager
async def opened_deployment(
    databases: Databases, nats_url: str, model_url: str, workspaces: Path, program: Path
) -> AsyncGenerator[Deployment]:
    """Open a database of the service and a bus, for the replicas that a test starts."""
    # Tool calls have the default limit: a run that has to stay active must not end by itself on a slow machine.
    values: dict[str, Any] = {"model_base_url": model_url, "secrets_keys": ring_json("test"), "agent_path": program}
    values |= {"workspaces_dir": workspaces, "mcp_allowed_addresses": "127.0.0.0/8", "nats_url": nats_url}
    values["spare_agents"] = 0  # tests find agents by the ids of their sessions
    of_owner = migrated(databases, service.name, service.migrations, as_owner=True)
    async with of_owner as database, connected(nats_url, "test") as connection:
        yield Deployment(Settings.model_validate(values | {"database_url": database.url}), connection)


@pytest.fixture
async def deployment(
    databases: Databases, nats_url: str, model_url: str, tmp_path: Path, agent_path: Path
) -> AsyncGenerator[Deployment]:
    async with opened_deployment(databases, nats_url, model_url, tmp_path / "workspaces", agent_path) as deployment:
        yield deployment


@pytest.fixture
async def client(deployment: Deployment) -> AsyncGenerator[ServiceClient]:
    async with deployment.replica():
        yield deployment.client


@pytest.fixture(scope="module")
def new_deployment(
    request: pytest.FixtureRequest,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
    agent_program: Path | None,
) -> NewDeployment:
    """Open a deployment with a model and a bus of its own, for what the tests of a module share."""
    program = program_of(request.node, agent_program)

    @asynccontextmanager
    async def start(**settings: Any) -> AsyncGenerator[Deployment]:
        workspaces = tmp_path_factory.mktemp("module") / "workspaces"
        # Not a bus of the whole test process: its server ends when other tests have used up its accounts.
        with Buses() as buses:
            async with (
                TestServer(create_app()) as model,
                opened_deployment(
                    databases, buses.fresh(), str(model.make_url("/")), workspaces, program
                ) as deployment,
            ):
                yield deployment.changed(**settings)

    return start


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_deployment(new_deployment: NewDeployment) -> AsyncGenerator[Deployment]:
    """One replica, for tests in the loop of their module."""
    async with new_deployment() as deployment, deployment.replica():
        yield deployment


@pytest.fixture(scope="module")
def module_client(module_deployment: Deployment) -> ServiceClient:
    return module_deployment.client

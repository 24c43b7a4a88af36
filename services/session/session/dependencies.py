"""The dependencies of the session service's handlers, queries and reactions."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.session.values import Compression
from eventing.database import Database
from eventing.handling import QueryContext, UnitOfWork
from eventing.recording import Recorded
from mcp_connection import ConnectionLimits, Connector
from prometheus_client import Gauge
from runtime.blocking import BlockingPool
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.http.health import Check
from runtime.metrics import metrics_of
from runtime.waiters import Waiters
from sandbox import Resources, Sandbox
from sandbox.required import check_of, find_sandbox

from session.agent import Agents, Limits
from session.agent.agent_process import AGENT, probe_of
from session.agent.deltas import Deltas
from session.agent.environments import Environments
from session.agent.model_proxy import ModelProxy
from session.agent.places import Places
from session.agent.transcript import COPIES_AT_ONCE, Transcripts
from session.ceilings import Ceilings
from session.copied_work import CopiedWork
from session.mcp.connections import Connections
from session.quotas.accounts import Accounts
from session.quotas.spending import Spending
from session.quotas.starting import apply_rules
from session.settings import Settings
from session.shared_folders import check_mounted, check_shared
from session.storage import Storage
from session.workspace import SUFFIX, Quotas, Uploads, Workspace

WITHOUT_SANDBOX = "agents run without a sandbox and therefore without tools"

confined = Gauge(
    "agent_sandbox", "Whether agents run in a sandbox (1), or without tools (0)", registry=metrics_of("session")
)


@dataclass(frozen=True)
class Dependencies:
    """Dependencies of the service's handlers, queries and reactions.

    `decisions` wakes workers that wait for an approval. `ceilings` limit the options of agents.
    `blocking` runs slow file operations; `writing` runs those that may have to measure a workspace first, whose usage
    `quotas` keeps; `measuring` measures those in which agents work. `spending` returns what an attempt of a run,
    requested by an event, spends of the budget of its user.
    """

    agents: Agents
    transcripts: Transcripts
    workspaces: Path
    archives: Path
    decisions: Waiters[UUID]
    deltas: Deltas
    approval_seconds: float
    places: Places
    environments: Environments
    accounts: Accounts
    ceilings: Ceilings
    storage: Storage
    blocking: BlockingPool
    writing: BlockingPool
    measuring: BlockingPool
    quotas: Quotas
    copied_work: CopiedWork
    spending: Callable[[Recorded[Any], UUID, int], Spending]

    def workspace(self, session_id: UUID) -> Path:
        """Return the folder that a session's agent works in."""
        return self.workspaces / str(session_id)

    def archive(self, session_id: UUID, archive_id: UUID, compression: Compression) -> Path:
        """Return the path of a session's archive."""
        return self.archives / str(session_id) / f"{archive_id}{SUFFIX[compression]}"

    def files(self, session_id: UUID) -> Workspace:
        """Return the workspace of a session."""
        uploads = Uploads(self.workspaces / ".uploads" / str(session_id))
        return Workspace(self.workspace(session_id), uploads, self.quotas)

    async def check_folders(self) -> None:
        """Check that the folders which replicas share are still there.

        Raises:
            FileNotFoundError: one is not, and what is at its path may be the empty folder that it is mounted on.
        """
        own = [] if self.archives.is_relative_to(self.workspaces) else [self.archives]
        for folder in (self.workspaces, *own):
            await self.blocking.run(check_mounted, folder)


type Work = UnitOfWork[Dependencies]
type Context = QueryContext[Dependencies]


@asynccontextmanager
async def dependencies(settings: Settings, database: Database, client: Client) -> AsyncGenerator[Dependencies]:
    """Create the dependencies; on exit, end all agents.

    Raises:
        CannotStart: the folders of the service are not those of its other replicas, or a required sandbox is missing.
    """
    await _check_folders(settings, database)
    sandbox = await _find_sandbox(program := settings.agent_path or AGENT, settings)
    await apply_rules(settings.quota_rules, database)
    limits, connection_limits = _limits(settings), _connection_limits(settings)
    async with (
        Database.open(settings.database_url, database.schema, size=COPIES_AT_ONCE) as copying,
        _pools() as (blocking, writing, measuring),
        ModelProxy(str(settings.model_base_url), settings.model_api_key) as proxy,
        Connector(sandbox, settings.address_rules, connection_limits, readable=settings.program_dirs) as connector,
        Connections(connector) as connections,
        Agents(sandbox, proxy, transcripts := Transcripts(database, copying), connections, limits, program) as agents,
    ):
        agents.spares.keep(workspaces := settings.workspaces_dir)
        yield Dependencies(
            agents,
            transcripts,
            workspaces,
            settings.archives_dir or workspaces / ".archives",
            decisions=Waiters(),
            deltas=Deltas(client),
            approval_seconds=settings.approval_seconds,
            places=Places(settings.runs_at_once, settings.waiting_agent_seconds, agents.processors.activity),
            environments=Environments(database),
            accounts=Accounts(database),
            ceilings=Ceilings.parse(settings.ceilings, settings.offered_models),
            storage=Storage(database),
            blocking=blocking,
            writing=writing,
            measuring=measuring,
            quotas=Quotas(),
            copied_work=CopiedWork(copying),
            spending=partial(Spending, database),
        )


@asynccontextmanager
async def _pools() -> AsyncGenerator[tuple[BlockingPool, BlockingPool, BlockingPool]]:
    async with BlockingPool.open() as blocking, BlockingPool.open() as writing, BlockingPool.open() as measuring:
        yield blocking, writing, measuring


async def _check_folders(settings: Settings, database: Database) -> None:
    await check_shared("WORKSPACES_DIR", settings.workspaces_dir, database)
    if settings.archives_dir:
        await check_shared("ARCHIVES_DIR", settings.archives_dir, database)


async def _find_sandbox(program: Path, settings: Settings) -> Sandbox:
    sandbox = await find_sandbox(WITHOUT_SANDBOX, probe_of(program), required=settings.sandbox_required)
    confined.set(sandbox.confines)
    return sandbox


def note_request(dependencies: Dependencies, envelope: Envelope) -> None:
    """Note who has sent a message, if it is for a request of a client: agents of others may have to yield at once."""
    processors = dependencies.agents.processors
    if envelope.actor and envelope.client_address and processors.activity.note(envelope.actor.user_id):
        processors.update()


def checks(dependencies: Dependencies) -> dict[str, Check]:
    """Return the checks for readiness that only this service has."""
    return {"sandbox": check_of(dependencies.agents.sandbox, WITHOUT_SANDBOX)}


def _connection_limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(
        call_seconds=settings.tool_seconds, program_resources=Resources(settings.mcp_program_memory_bytes)
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        warm_agents=settings.warm_agents,
        warm_agents_per_user=settings.warm_agents_per_user,
        warm_memory_bytes=settings.warm_agent_memory_bytes,
        idle_seconds=settings.warm_agent_seconds,
        spares=settings.spare_agents,
        model_retries=settings.model_retries,
        model_silence_seconds=settings.model_silence_seconds,
        tool_seconds=settings.tool_seconds,
        models=settings.offered_models,
        resources=settings.agent_resources,
    )

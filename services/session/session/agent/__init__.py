"""The agents of this replica: they run turns, stay warm between turns, and are ended when idle or no longer needed."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import UUID

from runtime import telemetry
from runtime.logging import get_logger
from sandbox import Heartbeats, Sandbox

from session.agent.agent_context import AgentContext
from session.agent.agent_events import AgentEvent, AssistantMessage, Delta, Finished, ServersConnected, ToolReturned
from session.agent.agent_process import AGENT
from session.agent.counting import count_agents, counted, counted_start
from session.agent.failures import STOPPED, AgentDied, AgentFailed
from session.agent.loading import agent_class
from session.agent.model_proxy import ModelProxy
from session.agent.options import AgentSpec, Ask, Limits, deny_all
from session.agent.processors import Processors
from session.agent.settling import spent_budget
from session.agent.spares import Spares
from session.agent.start_slots import StartSlots
from session.agent.surplus import surplus
from session.agent.transcript import Transcripts
from session.agent.unreported import note_reported, unreported
from session.mcp.connections import Connections
from session.mcp.questions import Elicit, decline_all

if TYPE_CHECKING:
    from session.agent.live import Agent

__all__ = [
    "AgentEvent",
    "AgentSpec",
    "Agents",
    "Ask",
    "AssistantMessage",
    "Delta",
    "Finished",
    "Limits",
    "ServersConnected",
    "ToolReturned",
]

log = get_logger()

SHUTDOWN_TIMEOUT = 15.0
SWEEP_SECONDS = 5.0
MAX_CANCELLED_RUNS = 1000


class Agents:
    """Runs turns in agents, one process per session.

    After a turn the process stays for the next one, within the limits on the number and the idle time of warm agents,
    unless it has become larger than an idle one. What it started during the turn ends with the turn.
    Others, of `spares`, are started before a session needs them.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        proxy: ModelProxy,
        transcripts: Transcripts,
        connections: Connections,
        limits: Limits | None = None,
        program: Path = AGENT,
    ) -> None:
        self._context = AgentContext(sandbox, proxy, transcripts, connections, limits or Limits(), program)
        # Ordered by last use, the most recent last.
        self._live: dict[UUID, Agent] = {}
        self.processors = Processors(self._live)
        # Runs that were cancelled, possibly before their turn began here.
        self._cancelled_runs: deque[tuple[UUID, int | None]] = deque(maxlen=MAX_CANCELLED_RUNS)
        self._shutting_down = asyncio.Event()
        # Starting takes CPU time. Many concurrent starts would all be late and starve the service that they depend on.
        self._start_slots = StartSlots(self._context.limits.max_concurrent_starts)
        self.spares = Spares(self._context, self._start_slots, self._live, self._retire)
        self._heartbeats = Heartbeats(lambda: [*self._live.values(), *self.spares.agents])

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox that agents run in."""
        return self._context.sandbox

    async def __aenter__(self) -> Self:
        """Start the sweep of idle agents and the heartbeats."""
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._tasks.create_task(self._sweep())
        self._refilling = self._tasks.create_task(self.spares.run())
        self._heartbeats.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all agents."""
        self._shutting_down.set()
        self._refilling.cancel()
        await self.aclose()
        self._heartbeats.stop()
        # The caller's exception is not passed on, because a task group would wrap it.
        await self._tasks.__aexit__(None, None, None)

    async def turn(
        self,
        spec: AgentSpec,
        prompt: str,
        ask: Ask = deny_all,
        message_id: UUID | None = None,
        elicit: Elicit = decline_all,
    ) -> AsyncGenerator[AgentEvent]:
        """Send `prompt` to the session's agent and yield its events; the last one is a `Finished`.

        `spec` is about the session, the run, and how its agent runs. `ask` decides the tool calls that neither the
        options nor the agent's own rules decide. `elicit` answers questions of MCP servers. The prompt's entry in the
        transcript gets the id of the message, `message_id`.

        A second turn of a session ends the first. If the caller stops iterating, the agent is ended with all processes
        that it started. Failures are reported in `Finished`, except those of the database, which raise.
        """
        finished, agent, model = Finished(), None, None
        try:
            agent = await self._acquire(spec)
            spec.place.let_next_begin()
            self.processors.update()
            async with self._ended_on_failure(agent), aclosing(agent.turn(prompt, ask, message_id, elicit)) as events:
                if servers := agent.servers.uses():
                    yield ServersConnected(servers)
                async for event in events:
                    if isinstance(event, Finished):
                        finished = agent.finalize(event)
                    else:
                        model = note_reported(event, agent.servers.made_calls) or model
                        yield event
            await self._release(agent, budget_spent=spent_budget(spec, finished))
        except AgentFailed as failed:
            died = isinstance(failed, AgentDied)
            failure = Finished(error_code=failed.code, error_detail=failed.detail, died=died)
            finished = agent.finalize(failure) if agent else failure
        lost = finished.died or spec.place.released == "handover"
        for event in unreported(agent.translator.end(), agent.servers.made_calls, model, lost=lost) if agent else ():
            yield event
        yield counted(finished, model or spec.options.model, self._context.limits.models)

    def count(self) -> None:
        """Set the gauge of the agents by what they do."""
        count_agents(self._live.values(), len(self.spares.agents))

    async def has_warm(self, session_id: UUID) -> bool:
        """Return whether the session has an idle agent here that knows all of its conversation."""
        agent = self._live.get(session_id)
        return agent is not None and agent.available and await agent.is_current()

    async def close(self, session_id: UUID, run_id: UUID | None = None, attempt: int | None = None) -> None:
        """End the session's agent, even in the middle of a turn, and wait until it has ended.

        Does nothing if there is no agent. With a `run_id`, ends only the agent that works for this run or last did, and
        prevents the run's turn from beginning here later. With an `attempt`, only that of this worker of the run:
        another one may continue the run here.
        """
        if agent := self._agent_for(session_id, run_id, attempt):
            await self._end(agent)

    def kill_waiting(self, session_id: UUID, run_id: UUID, attempt: int) -> bool:
        """Kill the agent of a worker of a run immediately, unless it waits for the model; return whether it was killed.

        Its turn ends, with the usage that the model proxy counted. The agent stores and reports nothing more. The run
        may have another turn here later.
        """
        agent = self._live.get(session_id)
        return agent is not None and agent.spec.works_for(run_id, attempt) and agent.kill(asking=False)

    def cancel(self, session_id: UUID, run_id: UUID | None = None, attempt: int | None = None) -> None:
        """Start to do what `close` does, without waiting for the end."""
        if agent := self._agent_for(session_id, run_id, attempt):
            self._retire(agent)

    def end_when_idle(self, session_id: UUID) -> None:
        """Start to end the session's agent if it is idle; one that is in a turn ends after the turn."""
        if agent := self._live.get(session_id):
            agent.last_turn = True
            if not agent.busy:
                self.cancel(session_id)

    async def aclose(self) -> None:
        """End all agents."""
        async with asyncio.timeout(SHUTDOWN_TIMEOUT):
            await asyncio.gather(self.spares.aclose(), *(self.close(session_id) for session_id in list(self._live)))

    def _retire(self, agent: "Agent") -> None:
        if not agent.retired:
            agent.retired = True
            self._tasks.create_task(self._end_and_log(agent))

    def _agent_for(self, session_id: UUID, run_id: UUID | None, attempt: int | None = None) -> "Agent | None":
        if run_id:
            self._cancelled_runs.append((run_id, attempt))
        agent = self._live.get(session_id)
        return agent if agent and (run_id is None or agent.spec.works_for(run_id, attempt)) else None

    async def _acquire(self, spec: AgentSpec) -> "Agent":
        spec.place.note_work = self.processors.update
        await self.spares.prepared(spec.session_id)
        self._check_not_cancelled(spec)
        agent = self._live.get(spec.session_id)
        if agent and agent.acquire(spec):
            async with self._ended_on_failure(agent):
                if await agent.is_current():
                    return agent
        return await self._start(spec)

    def _check_not_cancelled(self, spec: AgentSpec) -> None:
        if any(spec.works_for(*cancelled) for cancelled in self._cancelled_runs):
            raise AgentFailed(STOPPED)

    async def _start(self, spec: AgentSpec) -> "Agent":
        if prestarted := await self.spares.claimed(spec):
            async with self._ended_on_failure(prestarted):
                await self._evict_surplus(spec.owner)
            return prestarted
        new_agent = await agent_class()
        self._check_not_cancelled(spec)
        before, agent = self._live.get(spec.session_id), new_agent(spec, self._context, self._retire)
        self._live[spec.session_id] = agent
        async with self._ended_on_failure(agent):
            with telemetry.span("start agent"):
                await self._start_after(before, agent)
        if not agent.resumed:
            self.spares.note_missed(spec)
        return agent

    async def _start_after(self, before: "Agent | None", agent: "Agent") -> None:
        if before:
            await before.stop()
        await self._evict_surplus(agent.spec.owner)
        await agent.servers.connect()
        async with self._start_slots.take(agent.spec.owner):
            self.processors.update()
            with counted_start(agent):
                await agent.start()

    @asynccontextmanager
    async def _ended_on_failure(self, agent: "Agent") -> AsyncGenerator[None]:
        try:
            yield
        except BaseException:
            await self._end(agent)
            raise

    async def _release(self, agent: "Agent", *, budget_spent: bool) -> None:
        if budget_spent or agent.last_turn or agent.servers.outdated:
            await self._end(agent)
            return
        if agent.retired or self._live.get(agent.spec.session_id) is not agent:
            await agent.stop()
            return
        async with self._ended_on_failure(agent):
            settled = await agent.settle()
        # Meanwhile it may have been decided that the agent ends with this turn.
        if not settled or agent.retired or agent.last_turn or agent.servers.outdated:
            await self._end(agent)
            return
        agent.release()
        self._live[agent.spec.session_id] = self._live.pop(agent.spec.session_id)
        await self._evict_surplus(agent.spec.owner)

    async def _evict_surplus(self, owner: UUID | None) -> None:
        """End idle agents beyond the share of a user and beyond the total; prestarted ones first."""
        limits = self._context.limits
        await self.spares.shed(limits.warm_agents - len(self._live))
        while agent := surplus(self._live.values(), owner, limits):
            await self._end_and_log(agent)

    async def _sweep(self) -> None:
        limit = self._context.limits.idle_seconds
        while not self._shutting_down.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._shutting_down.wait(), min(SWEEP_SECONDS, limit))
            due = time.monotonic() - limit
            idle = [agent for agent in self._live.values() if not agent.busy]
            await asyncio.gather(*(self._end_and_log(agent) for agent in idle if agent.idle_since < due))

    async def _end_and_log(self, agent: "Agent") -> None:
        """End an agent without raising: an exception would end the turn of another one, or the task group with all."""
        try:
            await self._end(agent)
        except Exception:
            log.exception("agent shutdown failed")

    async def _end(self, agent: "Agent") -> None:
        agent.retired = True  # it stays listed, so that the start of its successor waits until it has ended
        await agent.stop()
        if self._live.get(agent.spec.session_id) is agent:
            del self._live[agent.spec.session_id]

"""The live agents of this replica: whom a turn goes to, who is kept for the next one, who is ended."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Self
from uuid import UUID

from contracts.refusals import Code
from runtime.logging import get_logger

from session.agent.frames import STOPPED, AgentFailed
from session.agent.live import Agent, Surroundings
from session.agent.model_proxy import ModelProxy
from session.agent.options import AgentSpec, Ask, Limits, nobody
from session.agent.sandbox import Sandbox
from session.agent.telling import AgentEvent, AssistantMessage, Delta, Finished, ToolReturned
from session.agent.transcript import Transcripts

__all__ = [
    "AgentEvent",
    "AgentSpec",
    "Agents",
    "Ask",
    "AssistantMessage",
    "Delta",
    "Finished",
    "Limits",
    "ToolReturned",
]

log = get_logger()

ALL_STOPPED_TIMEOUT = 15.0
SWEEP_SECONDS = 5.0
LIFE_SECONDS = 2.0
REMEMBERED_RUNS = 1000


class Agents:
    """Runs turns. One process a session; after a turn it stays for the next one, as long as the limits let it."""

    def __init__(
        self, sandbox: Sandbox, proxy: ModelProxy, transcripts: Transcripts, limits: Limits | None = None
    ) -> None:
        self._around = Surroundings(sandbox, proxy, transcripts, limits or Limits())
        # The one that was used last comes last.
        self._live: dict[UUID, Agent] = {}
        # Runs that were called off, maybe before their turn began here.
        self._called_off: deque[UUID] = deque(maxlen=REMEMBERED_RUNS)
        self._leaving, self._gone = asyncio.Event(), threading.Event()
        # Starting is work. Many at once would all be late, and starve the service that they need.
        self._starts = asyncio.Semaphore(self._around.limits.starts_at_once)

    async def __aenter__(self) -> Self:
        """Begin to end agents that idle for too long."""
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._tasks.create_task(self._sweep())
        # In a thread, because an event loop that is busy for long has lost no agent; a process that is stopped has.
        threading.Thread(target=self._show_life, name="agents", daemon=True).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all agents."""
        self._leaving.set()
        await self.aclose()
        self._gone.set()
        # Without the caller's exception, which a task group would wrap.
        await self._tasks.__aexit__(None, None, None)

    async def turn(
        self, spec: AgentSpec, prompt: str, ask: Ask = nobody, message_id: UUID | None = None
    ) -> AsyncGenerator[AgentEvent]:
        """Put `prompt` to the session's agent and give what it tells, a `Finished` last.

        `ask` is put what neither the options nor the agent's own rules settle. The entry of the prompt in the
        transcript gets the id of its message.

        A session has one turn at a time: a second one ends the first. If the caller leaves before the turn is over,
        the agent is ended with all it started. What fails is told by `Finished`, save the database, which raises.
        """
        finished, agent = Finished(), None
        try:
            agent = await self._take(spec)
            async with self._ended_on_failure(agent), aclosing(agent.turn(prompt, ask, message_id)) as telling:
                async for told in telling:
                    if isinstance(told, Finished):
                        finished = agent.counted(told)
                    else:
                        yield told
            await self._keep(agent, spent=_spent(spec, finished))
        except AgentFailed as failed:
            finished = Finished(error_code=failed.code, error_detail=failed.detail)
            finished = agent.counted(finished) if agent else finished
        yield finished

    async def close(self, session_id: UUID, run_id: UUID | None = None) -> None:
        """End the session's agent, also in the middle of a turn; nothing happens when there is none.

        Given a run, only the agent that works for it is ended, or did so last; its turn will not begin here any more.
        """
        if agent := self._meant(session_id, run_id):
            await self._end(agent)

    def call_off(self, session_id: UUID, run_id: UUID | None = None) -> None:
        """Begin to do what `close` does; who calls off many waits for none."""
        if agent := self._meant(session_id, run_id):
            self._retire(agent)

    def let_go(self, session_id: UUID) -> None:
        """Begin to end the session's agent if it idles; one that is in a turn ends when the turn is over."""
        if agent := self._live.get(session_id):
            agent.last_turn = True
            if not agent.busy:
                self.call_off(session_id)

    async def aclose(self) -> None:
        """End all agents."""
        async with asyncio.timeout(ALL_STOPPED_TIMEOUT):
            await asyncio.gather(*(self.close(session_id) for session_id in list(self._live)))

    def _retire(self, agent: Agent) -> None:
        if not agent.retired:
            agent.retired = True
            self._tasks.create_task(self._end_whatever_fails(agent))

    def _meant(self, session_id: UUID, run_id: UUID | None) -> Agent | None:
        if run_id:
            self._called_off.append(run_id)
        agent = self._live.get(session_id)
        return agent if agent and (run_id is None or agent.spec.run_id == run_id) else None

    async def _take(self, spec: AgentSpec) -> Agent:
        if spec.run_id in self._called_off:
            raise AgentFailed(STOPPED)
        agent = self._live.get(spec.session_id)
        if agent and agent.claim(spec):
            async with self._ended_on_failure(agent):
                if await agent.knows_all():
                    return agent
        return await self._start(spec)

    async def _start(self, spec: AgentSpec) -> Agent:
        before, agent = self._live.get(spec.session_id), Agent(spec, self._around, self._retire)
        self._live[spec.session_id] = agent
        async with self._ended_on_failure(agent):
            if before:
                await before.stop()
            await self._make_room()
            async with self._starts:
                await agent.start()
        return agent

    @asynccontextmanager
    async def _ended_on_failure(self, agent: Agent) -> AsyncGenerator[None]:
        try:
            yield
        except BaseException:
            await self._end(agent)
            raise

    async def _keep(self, agent: Agent, *, spent: bool) -> None:
        if spent or agent.last_turn:
            await self._end(agent)
            return
        if agent.retired or self._live.get(agent.spec.session_id) is not agent:
            await agent.stop()
            return
        agent.rest()
        self._live[agent.spec.session_id] = self._live.pop(agent.spec.session_id)
        await self._make_room()

    async def _make_room(self) -> None:
        surplus = max(0, len(self._live) - self._around.limits.warm_agents)
        for agent in self._idle()[:surplus]:
            await self._end(agent)

    async def _sweep(self) -> None:
        limit = self._around.limits.idle_seconds
        while not self._leaving.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), min(SWEEP_SECONDS, limit))
            due = time.monotonic() - limit
            await asyncio.gather(*(self._end(agent) for agent in self._idle() if agent.idle_since < due))

    def _show_life(self) -> None:
        while not self._gone.wait(LIFE_SECONDS):
            for agent in list(self._live.values()):
                agent.show_life()

    def _idle(self) -> list[Agent]:
        return [agent for agent in self._live.values() if not agent.busy]

    async def _end_whatever_fails(self, agent: Agent) -> None:
        try:
            await self._end(agent)
        except Exception:  # it would end all that this replica does
            log.exception("agent did not end well")

    async def _end(self, agent: Agent) -> None:
        agent.retired = True  # it stays listed, so that whoever starts another one waits until it has ended
        await agent.stop()
        if self._live.get(agent.spec.session_id) is agent:
            del self._live[agent.spec.session_id]


def _spent(spec: AgentSpec, finished: Finished) -> bool:
    """Whether a turn used all the money that there was."""
    used_up = spec.budget_usd is not None and finished.cost_usd >= spec.budget_usd
    return used_up or finished.error_code is Code.BUDGET_EXCEEDED

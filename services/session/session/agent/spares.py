"""The prestarted agents of a replica: as many, and with such options, as its last new sessions would have needed."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from runtime import telemetry
from runtime.logging import get_logger

from session.agent.agent_context import AgentContext
from session.agent.claiming import ClaimFailed, FolderRemoved, Profile, Unclaimable, profile_of
from session.agent.counting import count_claim, counted_claim, counted_start
from session.agent.demand import Demand
from session.agent.failures import STOPPED, AgentFailed
from session.agent.loading import prestarted_agent_class
from session.agent.options import AgentSpec
from session.agent.start_slots import StartSlots
from session.workspace import parked

if TYPE_CHECKING:
    from session.agent.live import Agent
    from session.agent.prestarted import PrestartedAgent

log = get_logger()

SWEEP_SECONDS = 5.0
UNUSED_SECONDS = 60.0
"""How long a claimed agent is kept if its session is not used; a user has at most as many as there are prestarted."""
MAX_FAILURES = 3
"""Failures in succession, of starts and of claims, after which no agents are started in advance for a while."""
PAUSE_SECONDS = 300.0
REFILL_SECONDS = 0.25
"""Pause between a claim and the next start, which would take the processors from the first turn of what was claimed."""


class Spares:
    """Keeps prestarted agents for sessions to come; each is for one session only.

    They are idle agents, of which a replica has a limited number together with those in `live`. Without new sessions
    for the time that agents may be idle, none are kept. `end` is called as that of an `Agent`.
    """

    def __init__(
        self, context: AgentContext, slots: StartSlots, live: "dict[UUID, Agent]", end: "Callable[[Agent], None]"
    ) -> None:
        self._context, self._slots, self._live, self._end = context, slots, live, end
        self._workspaces: Path | None = None
        self._number = 0
        self.agents: list[PrestartedAgent] = []
        self._demand = Demand(context.limits.idle_seconds)
        self._preparing = dict[UUID, asyncio.Event]()
        self._changed, self._failures, self._paused_until = asyncio.Event(), 0, 0.0
        self._refill_at = 0.0

    @property
    def number(self) -> int:
        """How many agents to keep at most; 0 during a pause."""
        return self._number if time.monotonic() >= self._paused_until else 0

    def keep(self, workspaces: Path) -> None:
        """Keep agents from now on, whose folders are among those of the sessions; none without a sandbox."""
        if self._context.sandbox.confines:
            self._workspaces, self._number = workspaces, self._context.limits.spares
            self._changed.set()

    async def claimed(self, spec: AgentSpec) -> "PrestartedAgent | None":
        """Return an agent that a new session has claimed, and that is live; None if the session needs another one.

        Raises:
            AgentFailed: it was stopped meanwhile.
        """
        agent = None if spec.session_id in self._live else self._taken(spec)
        if agent is None:
            return None
        self._live[spec.session_id] = agent
        try:
            with telemetry.span("claim agent"), counted_claim():
                await agent.claim()
        except Unclaimable:
            if agent.retired or self._live.get(spec.session_id) is not agent:  # it was cancelled meanwhile
                await self._discard(agent)
                raise AgentFailed(STOPPED) from None
            del self._live[spec.session_id]
            await self._give_back(agent)
            return None
        except ClaimFailed as failed:
            await self._discard(agent)
            if not isinstance(failed, FolderRemoved):
                self._note_failure(failed)
            return None
        except BaseException:
            await self._discard(agent)
            raise
        self._failures, self._refill_at = 0, time.monotonic() + REFILL_SECONDS
        self.note_new(spec)
        return agent

    def may_prepare(self, owner: UUID) -> bool:
        """Return whether a new session of a user may claim an agent now: the user has few that are not used yet."""
        unused = sum(agent.unused and agent.spec.owner == owner for agent in self._live.values())
        useful = any(agent.ready for agent in self.agents) or len(self._demand.profiles(self.number)) < self.number
        return useful and unused + len(self._preparing) < self.number

    async def prepare(self, spec: AgentSpec) -> bool:
        """Let a new session claim an agent before its first turn, if there is one; return whether it did."""
        prepared = self._preparing[spec.session_id] = asyncio.Event()
        try:
            if agent := await self.claimed(spec):
                agent.unused = True
                agent.release()
                agent.idle_since -= max(0.0, self._context.limits.idle_seconds - UNUSED_SECONDS)
            else:
                self.note_new(spec)
            return agent is not None
        finally:
            del self._preparing[spec.session_id]
            prepared.set()

    async def prepared(self, session_id: UUID) -> None:
        """Wait until the session has claimed its agent, if it is doing so."""
        if preparing := self._preparing.get(session_id):
            await preparing.wait()

    def note_missed(self, spec: AgentSpec) -> None:
        """Note that an agent was started for a new session, which could have claimed one."""
        if self.note_new(spec):
            count_claim("missed")

    def note_new(self, spec: AgentSpec) -> bool:
        """Note that a new session has such an agent: others will follow. Return whether they can claim one."""
        if self.number == 0 or (profile := profile_of(spec)) is None:
            return False
        self._demand.note(spec.session_id, spec.owner, profile)
        self._changed.set()
        return True

    def _taken(self, spec: AgentSpec) -> "PrestartedAgent | None":
        profile = profile_of(spec) if self.agents else None
        fitting = [agent for agent in self.agents if agent.ready and agent.profile == profile]
        if len(fitting) <= self._demand.is_greedy(spec.owner, profile, self.number):  # the last one is for another user
            return None
        self.agents.remove(fitting[0])
        fitting[0].bind(spec)
        return fitting[0]

    async def _give_back(self, agent: "PrestartedAgent") -> None:
        if self.number:
            agent.unbind()
            self.agents.append(agent)
        else:  # none are kept any more
            await agent.stop()

    async def _discard(self, agent: "PrestartedAgent") -> None:
        agent.retired = True
        await agent.stop()
        if self._live.get(agent.spec.session_id) is agent:
            del self._live[agent.spec.session_id]

    def _note_failure(self, reason: Exception) -> None:
        """Pause after some failures: the machine is overloaded, or something cannot do what is needed."""
        self._failures += 1
        count_claim("failed")
        log.warning("prestarted agent failed", reason=repr(reason))
        if self._failures >= MAX_FAILURES:
            log.warning("no agents are started in advance for a while", seconds=PAUSE_SECONDS)
            self._paused_until = time.monotonic() + PAUSE_SECONDS

    async def run(self) -> None:
        """Start and end agents until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_own())
            while True:
                if self._workspaces:
                    await _logged(self._sweep(self._workspaces))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), SWEEP_SECONDS)
                self._changed.clear()

    async def _keep_own(self) -> None:
        """Keep the folders of the agents, also while a sweep waits for a slot to start another one."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await _logged(self._end_outdated())

    async def _sweep(self, workspaces: Path) -> None:
        await self._end_outdated()
        await asyncio.to_thread(parked.remove_abandoned, workspaces)
        while self._missing():
            await asyncio.sleep(max(0.0, self._refill_at - time.monotonic()))
            if not ((profile := self._missing()) and await self._added(profile, workspaces)):
                return

    async def aclose(self) -> None:
        """End all agents that nobody has claimed."""
        self._number = 0
        await asyncio.gather(*(agent.stop() for agent in self.agents))
        self.agents.clear()

    def _missing(self) -> Profile | None:
        present = [agent.profile for agent in self.agents]
        for profile in self._demand.profiles(self.number):
            if profile in present:
                present.remove(profile)
            elif len(self.agents) + len(self._live) < self._context.limits.warm_agents:
                return profile
        return None

    async def _added(self, profile: Profile, workspaces: Path) -> bool:
        """Start an agent; return whether that succeeded."""
        agent = None
        async with self._slots.take(None, spare=True):
            try:
                agent = (await prestarted_agent_class())(profile, workspaces, self._context, self._end)
                self.agents.append(agent)
                with counted_start(agent):
                    await agent.start()
            except Exception as error:
                failed = agent is None or agent in self.agents  # nobody else has ended it
                if agent:  # it would take the place of one that can be claimed
                    await self._remove(agent)
                if failed:
                    self._note_failure(error)
                if not isinstance(error, (AgentFailed, OSError)):  # as from the database
                    raise
                return False
        return True

    async def shed(self, number: int) -> None:
        """End the agents beyond a number, the oldest first."""
        for agent in self.agents[: max(0, len(self.agents) - max(0, number))]:
            await self._remove(agent)

    async def _remove(self, agent: "PrestartedAgent") -> None:
        if agent in self.agents:
            self.agents.remove(agent)
            await agent.stop()

    async def _end_outdated(self) -> None:
        """End agents that died, that nobody needs any more, or that run an earlier release of Claude Code."""
        outdated: list[PrestartedAgent] = []
        present = list(self.agents)
        kept = [agent for agent in present if await _kept(agent)]
        wanted = self._demand.profiles(self.number)
        for agent in present:
            if agent in kept and agent.usable and agent.profile in wanted:
                wanted.remove(agent.profile)
            else:
                outdated.append(agent)
        await asyncio.gather(*(self._remove(agent) for agent in outdated))


async def _kept(agent: "PrestartedAgent") -> bool:
    try:
        await asyncio.to_thread(parked.keep, agent.folder)
    except OSError:
        return False
    return True


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    """Do work without raising: an exception would cancel the task group, and with it all agents."""
    try:
        await work
    except Exception:
        log.exception("prestarted agents could not be renewed")

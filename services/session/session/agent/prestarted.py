"""A process that was started before its session was known."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import cast

from runtime.clock import new_id

from session.agent.agent_context import AgentContext
from session.agent.claiming import ClaimFailed, FolderRemoved, Profile, Unclaimable, choose, claim
from session.agent.client import Client
from session.agent.failures import STOPPED, AgentFailed
from session.agent.live import Agent
from session.agent.options import AgentSpec
from session.agent.rehearsal import rehearse
from session.workspace import parked


class PrestartedAgent(Agent):
    """An agent with a profile and an empty workspace of its own, which waits for the claim of a session.

    Until then it runs nothing for anybody, and its token opens nothing: it reaches no model.

    Raises as `Agent` does; OSError: its folder cannot be created.
    """

    def __init__(self, profile: Profile, workspaces: Path, context: AgentContext, end: Callable[[Agent], None]) -> None:
        self.profile, self._name = profile, new_id()
        self.folder = parked.park(workspaces, str(self._name))
        options = profile.options.model_copy(update={"system_prompt": None})
        about = self._name, self.folder, options
        self._own_spec = AgentSpec(*about, ceiling=profile.ceiling, owner=profile.owner)
        self._listener: socket.socket | None = None
        self._program = _identity(context.program)
        super().__init__(self._own_spec, context, end)
        self.waits = True

    @property
    def _waits_for_prompt(self) -> bool:
        """Whether Claude Code is still to get the system prompt, which it takes only at the end of its wait."""
        return self.profile.options.system_prompt is not None

    @property
    def ready(self) -> bool:
        """Whether a session may claim it."""
        return self.started and not self.retired and self._process.alive()

    @property
    def usable(self) -> bool:
        """Whether it is ready, or starts, and runs the present release of Claude Code."""
        alive = self.ready or not (self.started or self.retired)
        return alive and self._program == _identity(self._context.program)

    def bind(self, spec: AgentSpec) -> None:
        """Belong to a session from now on; `claim` comes next."""
        gate, diagnostics = self._gate, self._diagnostics
        self._bind(spec, self._name)
        # The SDK knows only those that the process was started with.
        gate.decide_as(self._gate)
        self._gate, self._diagnostics = gate, diagnostics

    def unbind(self) -> None:
        """Belong to no session again, after a session could not claim the agent."""
        self.bind(self._own_spec)

    async def start(self) -> None:
        """Start as `Agent` does, but on fewer processors: nobody waits for it."""
        self.set_yields(True)
        await super().start()
        self.set_yields(False)

    async def claim(self) -> None:
        """Let the session that the agent is bound to claim it. From then on it may use the model.

        Raises:
            Unclaimable: the session has a conversation or a workspace; the agent was not touched.
            ClaimFailed: the agent cannot be used any more.
            AgentFailed: the agent was stopped before.
        """
        if await self._transcript.is_resumable():
            raise Unclaimable
        async with self._lifecycle:
            client, frames, listener = self._client, self._frames, self._listener
            if self._stop_requested or client is None or frames is None or listener is None:
                raise AgentFailed(STOPPED)
            await self._take_workspace()
            frames.transcript = self._transcript
            mode = self.profile.options.permission_mode
            if self._waits_for_prompt:
                await claim(client, self.spec.options, self._process.prepared.cwd)
                mode = self.spec.options.permission_mode
            await choose(client, self.spec.options, mode)
            self._listener = None
            await super()._serve(listener)

    async def is_current(self) -> bool:
        """Return whether the agent knows all of the conversation and, before its first turn, of the workspace.

        Claude Code looks only once whether its folder is a repository, and at the state of that.
        """
        if self.unused and not await asyncio.to_thread(parked.is_empty, self.spec.workspace):
            return False
        return await super().is_current()

    async def _take_workspace(self) -> None:
        try:
            await asyncio.to_thread(parked.take, self.folder, self.spec.workspace)
        except FileExistsError as error:
            raise Unclaimable from error
        except FileNotFoundError as error:
            raise FolderRemoved(repr(error)) from error
        except OSError as error:
            raise ClaimFailed(repr(error)) from error

    async def _serve(self, listener: socket.socket) -> None:
        self._listener = listener  # nobody is served before the claim
        try:
            async with asyncio.timeout(0 if self._stop_requested else None) as self._connecting:  # `stop` ends it
                client = cast(Client, self._client)
                if not self._waits_for_prompt:
                    await claim(client, self._own_spec.options, self._process.prepared.cwd)
                await rehearse(client, listener, waits=self._waits_for_prompt)
        finally:
            self._connecting = None

    async def _clean_up(self) -> None:
        await super()._clean_up()
        if self._listener:
            self._listener.close()
        await asyncio.to_thread(parked.remove, self.folder)


def _identity(program: Path) -> tuple[int, int, int] | None:
    try:
        status = program.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size

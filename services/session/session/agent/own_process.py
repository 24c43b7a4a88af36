"""The process of one agent, from before its sandbox is prepared until it is removed."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import cast

from runtime.logging import get_logger
from runtime.subprocesses import outlast
from sandbox import SandboxedProcess

from session.agent.agent_context import AgentContext
from session.agent.agent_process import prepare_agent
from session.agent.diagnostics import NOT_STARTED
from session.agent.failures import AgentFailed
from session.agent.options import AgentSpec, variables

log = get_logger()

STOP_TIMEOUT = 10.0


class OwnProcess:
    """The process of one agent. Before `prepare` there is none: it does not run, and there is nothing to end."""

    def __init__(self) -> None:
        self._prepared: SandboxedProcess | None = None
        self._yields = False

    async def prepare(self, spec: AgentSpec, context: AgentContext, token: str) -> None:
        """Prepare the sandbox of an agent with a `token`, in a thread: many files are written.

        Raises:
            AgentFailed: it could not be prepared.
        """
        environment = variables(token, spec, context.limits)

        def prepare() -> None:
            own_variables, resources = spec.options.env, replace(context.limits.resources, yields=self._yields)
            self._prepared = prepare_agent(
                context.sandbox, spec.workspace, environment, own_variables, resources, context.program
            )

        preparing = asyncio.get_running_loop().create_task(asyncio.to_thread(prepare))
        try:
            await outlast(preparing)
            await preparing
        except OSError as error:
            log.warning("sandbox preparation failed", error=repr(error))
            raise AgentFailed(NOT_STARTED) from error

    @property
    def prepared(self) -> SandboxedProcess:
        """The process, once it is prepared."""
        return cast(SandboxedProcess, self._prepared)

    def alive(self) -> bool:
        """Return whether the agent is running."""
        return self._prepared is not None and self._prepared.alive()

    def send_heartbeat(self) -> None:
        """Keep the process alive for the next seconds (see `SandboxedProcess.send_heartbeat`)."""
        if self._prepared:
            self._prepared.send_heartbeat(yields=self._yields)

    def set_yields(self, yields: bool) -> None:
        """Say whether the agent leaves some of the processors to others, also before it is prepared."""
        if yields != self._yields:
            self._yields = yields
            self.send_heartbeat()

    def ran_out_of_memory(self) -> bool:
        """Return whether the kernel killed the agent because it exceeded its memory."""
        return self._prepared is not None and self._prepared.ran_out_of_memory()

    def kill(self) -> None:
        """Kill the agent with all its processes. Does nothing if it has ended."""
        if self._prepared:
            self._prepared.kill()

    async def remove(self) -> None:
        """Wait until the agent has ended, which was killed, and release all resources."""
        if self._prepared:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._prepared.wait_ended(), STOP_TIMEOUT)
            await asyncio.to_thread(self._prepared.remove)
